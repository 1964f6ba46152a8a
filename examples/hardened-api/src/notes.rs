//! Notes, in memory: a resource protected by scopes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use axum::{Json, extract::State};
use hardpoint::{
    auth::{Scopes, axum::Authenticated},
    core::{Problem, Time, axum::RejectionResponse},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ids, routes::App};

/// The maximum number of notes per subject and in total, and the maximum length of a text in bytes.
/// Together they limit memory to 40 MiB.
const MOST: usize = 100;
const MOST_OF_ALL: usize = 10_000;
const LONGEST: usize = 4096;

const READ: Scopes = Scopes::from_static("notes:read");
const WRITE: Scopes = Scopes::from_static("notes:write");

/// Notes by subject.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_subject: HashMap<String, Vec<Note>>,
    count: usize,
}

/// One note.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    id: String,
    text: String,
    created_at: String,
}

impl Notes {
    fn list(&self, subject: &str) -> Vec<Note> {
        self.lock().by_subject.get(subject).cloned().unwrap_or_default()
    }

    fn add(&self, subject: &str, note: Note) -> Result<(), Problem> {
        let mut kept = self.lock();
        if kept.count >= MOST_OF_ALL {
            return Err(Problem::from_status(StatusCode::SERVICE_UNAVAILABLE));
        }
        let own = kept.by_subject.entry(subject.to_owned()).or_default();
        if own.len() >= MOST {
            let title = "No more notes can be added";
            return Err(Problem::new(StatusCode::CONFLICT, "notes_full", title)
                .detail(format!("An account can have at most {MOST} notes.")));
        }
        own.push(note);
        kept.count += 1;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /api/v1/notes`
pub(crate) async fn list(
    State(app): State<App>,
    user: Authenticated,
) -> Result<Json<Value>, RejectionResponse> {
    user.require(&READ)?;
    Ok(Json(json!({ "notes": app.notes.list(user.subject()) })))
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
    app.notes.add(user.subject(), note.clone())?;
    app.notes_added.increment();
    Ok((StatusCode::CREATED, Json(note)))
}
