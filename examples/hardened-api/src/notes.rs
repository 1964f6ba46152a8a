//! Notes: a resource protected by scopes. In memory, or on a server that instances share.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use axum::{Json, extract::State};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{Problem, Time, axum::RejectionResponse},
    redis::{self, Concept, Keys, Redis, Script},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    ids,
    routes::App,
    stores::{Server, unavailable},
};

/// The maximum number of notes per subject and, in memory, in total, and the maximum length of a
/// text in bytes. Together they limit memory to 40 MiB.
const MOST: usize = 100;
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
    by_subject: HashMap<String, Vec<Note>>,
    count: usize,
}

/// Notes on a server: a list for each subject.
#[derive(Debug)]
pub(crate) struct Shared {
    redis: Redis,
    keys: Keys,
    add: Script,
}

/// One note.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Note {
    id: String,
    text: String,
    created_at: String,
}

/// Adds a note, unless the subject has too many.
const ADD: &str = "
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
return redis.call('RPUSH', KEYS[1], ARGV[2])";

impl Notes {
    pub(crate) fn new(server: Option<&Server>) -> Self {
        let Some(Server { redis, .. }) = server else { return Self::Memory(Mutex::default()) };
        Self::Shared(Shared {
            redis: redis.clone(),
            keys: redis.keys(&NOTES),
            add: Script::new(ADD),
        })
    }

    async fn list(&self, subject: &str) -> Result<Vec<Note>, Problem> {
        match self {
            Self::Memory(kept) => {
                Ok(lock(kept).by_subject.get(subject).cloned().unwrap_or_default())
            }
            Self::Shared(shared) => shared.list(subject).await,
        }
    }

    async fn add(&self, subject: &str, note: Note) -> Result<(), Problem> {
        match self {
            Self::Memory(kept) => lock(kept).add(subject, note),
            Self::Shared(shared) => shared.add(subject, &note).await,
        }
    }
}

impl Kept {
    fn add(&mut self, subject: &str, note: Note) -> Result<(), Problem> {
        if self.count >= MOST_OF_ALL {
            return Err(Problem::from_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        let own = self.by_subject.entry(subject.to_owned()).or_default();
        if own.len() >= MOST {
            return Err(full());
        }
        own.push(note);
        self.count += 1;
        Ok(())
    }
}

impl Shared {
    async fn list(&self, subject: &str) -> Result<Vec<Note>, Problem> {
        let answer = self.redis.send("LRANGE", [&*self.key(subject), "0", "-1"]).await;
        let notes = answer.and_then(|value| value.into_array()).map_err(|e| unavailable(&e))?;
        let read = |note: redis::Value| {
            let text = note.into_bytes().map_err(|e| unavailable(&e))?.unwrap_or_default();
            let broken = |_| Problem::from_status(StatusCode::INTERNAL_SERVER_ERROR);
            serde_json::from_slice(&text).map_err(broken)
        };
        notes.into_iter().map(read).collect()
    }

    async fn add(&self, subject: &str, note: &Note) -> Result<(), Problem> {
        let (most, note) = (MOST.to_string(), json!(note).to_string());
        let answer = self.redis.run(&self.add, [&self.key(subject)], [&most, &note]).await;
        match answer.and_then(|value| value.into_int()).map_err(|e| unavailable(&e))? {
            0 => Err(full()),
            _ => Ok(()),
        }
    }

    /// A subject is the random id of an account, so it may be a part of a key.
    fn key(&self, subject: &str) -> String {
        self.keys.key(subject, "list")
    }
}

fn full() -> Problem {
    let title = "No more notes can be added";
    Problem::new(StatusCode::CONFLICT, "notes_full", title)
        .detail(format!("An account can have at most {MOST} notes."))
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // No code panics while it is held.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `GET /api/v1/notes`
pub(crate) async fn list(
    State(app): State<App>,
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
    State(app): State<App>,
    user: Authenticated,
    Json(add): Json<Add>,
) -> Result<(StatusCode, Json<Note>), RejectionResponse> {
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
    app.notes.add(user.subject(), note.clone()).await?;
    app.notes_added.increment();
    Ok((StatusCode::CREATED, Json(note)))
}
