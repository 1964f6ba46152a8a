//! Notes, in memory: something that scopes are about.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use hardpoint::{
    auth::{
        Scopes,
        axum::{Authenticated, Refusal},
    },
    core::{Clock, Problem, SystemClock},
    edge::{axum::ProblemResponse, problem::of_status},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ids, routes::App};

/// The most notes of one subject, and the longest text in bytes, so that memory is bounded.
const MOST: usize = 100;
const LONGEST: usize = 4096;

/// Notes by subject.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    by_subject: Mutex<HashMap<String, Vec<Note>>>,
}

/// One note.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    id: String,
    text: String,
    created_at: String,
}

impl Notes {
    fn of(&self, subject: &str) -> Vec<Note> {
        let notes = self.by_subject.lock().unwrap_or_else(PoisonError::into_inner);
        notes.get(subject).cloned().unwrap_or_default()
    }

    fn add(&self, subject: &str, note: Note) -> Result<(), Problem> {
        let mut notes = self.by_subject.lock().unwrap_or_else(PoisonError::into_inner);
        let own = notes.entry(subject.to_owned()).or_default();
        if own.len() >= MOST {
            let title = "There is no room for another note";
            return Err(Problem::new(StatusCode::CONFLICT, "notes_full", title)
                .detail(format!("An account has at most {MOST} notes.")));
        }
        own.push(note);
        Ok(())
    }
}

/// `GET /api/v1/notes`
pub(crate) async fn list(
    State(app): State<App>,
    user: Authenticated,
) -> Result<Json<Value>, Refusal> {
    user.require(&scope("notes:read"))?;
    Ok(Json(json!({ "notes": app.notes.of(user.subject()) })))
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
) -> Response {
    if let Err(refusal) = user.require(&scope("notes:write")) {
        return refusal.into_response();
    }
    match store(&app, user.subject(), add.text) {
        Ok(note) => (StatusCode::CREATED, Json(note)).into_response(),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}

fn store(app: &App, subject: &str, text: String) -> Result<Note, Problem> {
    if text.is_empty() || text.len() > LONGEST {
        let error = json!({ "pointer": "#/text", "detail": format!("write 1 to {LONGEST} bytes") });
        return Err(
            of_status(StatusCode::UNPROCESSABLE_ENTITY).add_member("errors", json!([error]))
        );
    }
    let id = ids::random().ok_or_else(|| of_status(StatusCode::SERVICE_UNAVAILABLE))?;
    let now = UNIX_EPOCH + SystemClock.unix();
    let note = Note { id, text, created_at: humantime::format_rfc3339_seconds(now).to_string() };
    app.notes.add(subject, note.clone())?;
    Ok(note)
}

fn scope(name: &str) -> Scopes {
    name.parse().unwrap_or_default()
}
