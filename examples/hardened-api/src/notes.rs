//! Notes: a resource protected by scopes. In memory, or on a server that instances share.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use axum::{
    Json,
    extract::{Path, State},
};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{Problem, RequestContext, Time, axum::RejectionResponse},
    redis::{self, Concept, Keys, Script},
};
use http::{HeaderName, StatusCode, header::LOCATION, request::Parts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    ids,
    routes::App,
    stores::{Server, unavailable},
};

/// The maximum number of notes per subject, from one network of clients and, in memory, in total, and the
/// maximum length of a text in bytes. Together they limit memory to 40 MiB, of which a network with any
/// number of accounts can fill a tenth. A server has a limit of its own.
const MOST: usize = 100;
const MOST_OF_A_NETWORK: usize = 1_000;
const MOST_OF_ALL: usize = 10_000;
const LONGEST: usize = 4096;

const READ: Scopes = Scopes::from_static("notes:read");
const WRITE: Scopes = Scopes::from_static("notes:write");

const NOTES: Concept = Concept::lasting("notes").loss("all notes of a user are gone");

/// Notes by subject.
#[derive(Debug)]
pub(crate) enum Notes {
    Memory(Mutex<Kept>),
    Shared(Shared),
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Each note with the network that added it.
    by_subject: HashMap<String, Vec<(Note, Network)>>,
    by_network: HashMap<Network, usize>,
    count: usize,
}

/// The network of a client, if it is known.
type Network = Option<IpAddr>;

/// Notes on a server: a list for each subject, and a hash with the number of notes of each network.
#[derive(Debug)]
pub(crate) struct Shared {
    server: Server,
    keys: Keys,
    add: Script,
    remove: Script,
}

/// One note.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Note {
    id: String,
    text: String,
    created_at: String,
}

/// The hash tag of all keys: a script reads a subject's and the networks'.
const TAG: &str = "n";

/// Adds a note, unless the subject or the network has too many.
const ADD: &str = "
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
if tonumber(redis.call('HGET', KEYS[2], ARGV[4]) or 0) >= tonumber(ARGV[2]) then return -1 end
redis.call('HINCRBY', KEYS[2], ARGV[4], 1)
return redis.call('RPUSH', KEYS[1], ARGV[3])";

/// Removes the note with this id. The id is random, so that no text can pass for it.
const REMOVE: &str = "
for _, text in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local note = cjson.decode(text)
  if note.id == ARGV[1] then
    if redis.call('HINCRBY', KEYS[2], note.network, -1) <= 0 then
      redis.call('HDEL', KEYS[2], note.network)
    end
    return redis.call('LREM', KEYS[1], 1, text)
  end
end
return 0";

impl Notes {
    pub(crate) fn new(server: Option<&Server>) -> Self {
        let Some(server) = server else { return Self::Memory(Mutex::default()) };
        Self::Shared(Shared {
            server: server.clone(),
            keys: server.redis.keys(&NOTES),
            add: Script::new(ADD),
            remove: Script::new(REMOVE),
        })
    }

    async fn list(&self, subject: &str) -> Result<Vec<Note>, Problem> {
        match self {
            Self::Memory(kept) => {
                let kept = lock(kept);
                let own = kept.by_subject.get(subject).into_iter().flatten();
                Ok(own.map(|(note, _)| note.clone()).collect())
            }
            Self::Shared(shared) => shared.list(subject).await,
        }
    }

    async fn add(&self, subject: &str, note: Note, from: Network) -> Result<(), Problem> {
        match self {
            Self::Memory(kept) => lock(kept).add(subject, note, from),
            Self::Shared(shared) => shared.add(subject, &note, from).await,
        }
    }

    /// Removes a note, and returns whether the subject had it.
    async fn remove(&self, subject: &str, id: &str) -> Result<bool, Problem> {
        match self {
            Self::Memory(kept) => Ok(lock(kept).remove(subject, id)),
            Self::Shared(shared) => shared.remove(subject, id).await,
        }
    }
}

impl Kept {
    fn add(&mut self, subject: &str, note: Note, from: Network) -> Result<(), Problem> {
        let own = self.by_subject.get(subject).map_or(0, Vec::len);
        if own >= MOST {
            return Err(full());
        }
        if self.by_network.get(&from).is_some_and(|count| *count >= MOST_OF_A_NETWORK) {
            return Err(network_is_full());
        }
        if self.count >= MOST_OF_ALL {
            return Err(Problem::from_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        self.by_subject.entry(subject.to_owned()).or_default().push((note, from));
        *self.by_network.entry(from).or_default() += 1;
        self.count += 1;
        Ok(())
    }

    fn remove(&mut self, subject: &str, id: &str) -> bool {
        let Some(own) = self.by_subject.get_mut(subject) else { return false };
        let Some(index) = own.iter().position(|(note, _)| note.id == id) else { return false };
        let (_, from) = own.remove(index);
        if own.is_empty() {
            self.by_subject.remove(subject);
        }
        if let Entry::Occupied(mut count) = self.by_network.entry(from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.count -= 1;
        true
    }
}

impl Shared {
    async fn list(&self, subject: &str) -> Result<Vec<Note>, Problem> {
        let [list, _] = self.keys(subject);
        let answer = self.server.redis.send("LRANGE", [&*list, "0", "-1"]).await;
        let notes = answer.and_then(|value| value.into_array()).map_err(|e| unavailable(&e))?;
        let read = |note: redis::Value| {
            let text = note.into_bytes().map_err(|e| unavailable(&e))?.unwrap_or_default();
            let broken = |_| Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
            serde_json::from_slice(&text).map_err(broken)
        };
        notes.into_iter().map(read).collect()
    }

    async fn add(&self, subject: &str, note: &Note, from: Network) -> Result<(), Problem> {
        let network = self.server.network(from);
        let mut record = json!(note);
        record["network"] = json!(network);
        let [most, of_a_network] = [MOST, MOST_OF_A_NETWORK].map(|most| most.to_string());
        let arguments = [most, of_a_network, record.to_string(), network];
        let answer = self.server.redis.run(&self.add, &self.keys(subject), &arguments).await;
        match answer.and_then(|value| value.into_int()).map_err(|e| unavailable(&e))? {
            -1 => Err(network_is_full()),
            0 => Err(full()),
            _ => Ok(()),
        }
    }

    async fn remove(&self, subject: &str, id: &str) -> Result<bool, Problem> {
        let answer = self.server.redis.run(&self.remove, &self.keys(subject), [id]).await;
        let removed = answer.and_then(|value| value.into_int()).map_err(|e| unavailable(&e))?;
        Ok(removed > 0)
    }

    /// The list of a subject, which is the random id of an account and so may be a part of a key; and the
    /// hash of the networks.
    fn keys(&self, subject: &str) -> [String; 2] {
        [format!("of:{subject}"), "networks".to_owned()].map(|rest| self.keys.key(TAG, &rest))
    }
}

fn full() -> Problem {
    let title = "No more notes can be added";
    Problem::new(StatusCode::CONFLICT, "notes_full", title)
        .detail(format!("An account can have at most {MOST} notes."))
}

fn network_is_full() -> Problem {
    full().detail("Your network has added as many notes as it can.")
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // No code panics while it is held.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `GET /api/v1/notes`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    user: Authenticated,
) -> Result<Json<Value>, RejectionResponse> {
    user.require(&READ)?;
    Ok(Json(json!({ "notes": app.notes.list(user.subject()).await? })))
}

/// `POST /api/v1/notes`
#[derive(Deserialize)]
pub(crate) struct Add {
    text: String,
}

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    user: Authenticated,
    parts: Parts,
    Json(add): Json<Add>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Note>), RejectionResponse> {
    user.require(&WRITE)?;
    if add.text.is_empty() || add.text.len() > LONGEST {
        let error = json!({ "pointer": "#/text", "detail": format!("write 1 to {LONGEST} bytes") });
        let problem = Problem::from_status(StatusCode::UNPROCESSABLE_ENTITY);
        return Err(problem.add_member("errors", json!([error])).into());
    }
    let id = ids::random().ok_or_else(|| Problem::from_status(StatusCode::SERVICE_UNAVAILABLE))?;
    let now = UNIX_EPOCH + Time::system().unix();
    let created_at = humantime::format_rfc3339_seconds(now).to_string();
    let note = Note { id, text: add.text, created_at };
    let client = RequestContext::find(&parts.extensions).and_then(|context| context.client());
    let from = client.and_then(|client| client.network());
    app.notes.add(user.subject(), note.clone(), from).await?;
    app.notes_added.increment();
    let location = [(LOCATION, format!("/api/v1/notes/{}", note.id))];
    Ok((StatusCode::CREATED, location, Json(note)))
}

/// `GET /api/v1/notes/{id}`
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Note>, RejectionResponse> {
    user.require(&READ)?;
    let notes = app.notes.list(user.subject()).await?;
    let found = notes.into_iter().find(|note| note.id == id);
    found.map(Json).ok_or_else(|| Problem::from_status(StatusCode::NOT_FOUND).into())
}

/// `DELETE /api/v1/notes/{id}`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    user: Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode, RejectionResponse> {
    user.require(&WRITE)?;
    if app.notes.remove(user.subject(), &id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    // The same for a note of another user and for one that does not exist.
    Err(Problem::from_status(StatusCode::NOT_FOUND).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(id: usize) -> Note {
        Note { id: id.to_string(), text: String::new(), created_at: String::new() }
    }

    #[test]
    fn one_network_with_many_accounts_leaves_room_for_the_others() {
        let mut kept = Kept::default();
        let [attacker, other] = [1, 2].map(|last| Some(IpAddr::from([203, 0, 113, last])));
        let mut added = 0;
        for account in 0..100 {
            for id in 0..100 {
                added += usize::from(kept.add(&account.to_string(), note(id), attacker).is_ok());
            }
        }
        assert_eq!(added, MOST_OF_A_NETWORK);
        assert!(kept.add("bob", note(0), other).is_ok());
        assert!(kept.add("mallory", note(0), attacker).is_err());
        assert!(kept.remove("0", "7") && !kept.remove("0", "7") && !kept.remove("bob", "7"));
        assert!(kept.add("mallory", note(0), attacker).is_ok(), "deletion makes room");
        for id in 0..100 {
            kept.remove("bob", &id.to_string());
        }
        assert!(!kept.by_subject.contains_key("bob") && !kept.by_network.contains_key(&other));
    }
}
