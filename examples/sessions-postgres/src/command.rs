//! The statements behind the methods of the store.

use std::time::Duration;

use hardpoint_auth::{
    RevocationState, Revocations, Revoked,
    session::{
        Accepted, FamilyState, Opened, Presented, Reuse, Rotation, Session, SessionClient,
        SessionId, StoreError, Transition,
    },
};
use hardpoint_core::event::StoreErrorKind;
use sqlx::{PgConnection, PgPool, postgres::PgRow};

use crate::{
    call::{corrupt, failed, lease},
    row::{column, id, int, millis, number, optional, session, session_columns, state},
};

/// A token that is presented: a `Presentation` that borrows nothing.
pub(crate) struct Token {
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
    pub(crate) proof: [u8; 16],
    pub(crate) key_id: u32,
    pub(crate) client: SessionClient,
    pub(crate) rotation: Rotation,
    pub(crate) access: Duration,
}

/// What was read of a family.
struct Read {
    session: Session,
    state: FamilyState,
    epoch: u64,
    now: u64,
    is_known: bool,
}

/// Reads, decides and writes, until the family was not changed in between.
pub(crate) async fn present(
    pool: &PgPool,
    token: Token,
    copy: &Revocations,
) -> Result<Presented, StoreError> {
    let mut connection = lease(pool).await.map_err(failed)?;
    for _ in 0..ATTEMPTS {
        let Some(read) = read(&mut connection, &token, copy).await? else {
            connection.give_back();
            return Ok(Presented::Unknown);
        };
        if let Some(presented) = decide(&mut connection, &token, read, copy).await? {
            connection.give_back();
            return Ok(presented);
        }
    }
    connection.give_back();
    let error = StoreError::new(StoreErrorKind::Unavailable);
    Err(error.with_source("the session changed whenever it was read"))
}

async fn read(
    connection: &mut PgConnection,
    token: &Token,
    copy: &Revocations,
) -> Result<Option<Read>, StoreError> {
    let row = sqlx::query(concat!(
        "SELECT ",
        session_columns!(),
        ", f.epoch, f.generation, f.previous, f.key_id, f.rotated_at, f.idle_deadline, \
         f.absolute_deadline, f.forgiven, f.forgiven_since, s.epoch AS least, o.origin, \
         session_now() AS now \
         FROM session_family f CROSS JOIN session_store o \
         LEFT JOIN session_subject s ON s.subject = f.subject \
         WHERE f.id = $1 AND f.proof = $2"
    ))
    .bind(token.session.to_string())
    .bind(token.proof.as_slice())
    .fetch_optional(connection);
    let Some(row) = row.await.map_err(failed)? else { return Ok(None) };
    let (epoch, origin) = (number(&row, "epoch")?, number(&row, "origin")?);
    copy.began(origin);
    let judged = RevocationState::by_epoch(Some(epoch), optional(&row, "least")?, origin);
    Ok(Some(Read {
        session: session(&row)?,
        state: state(&row)?,
        epoch,
        now: number(&row, "now")?,
        is_known: matches!(judged, RevocationState::Live),
    }))
}

/// `None` if the family was changed since it was read.
async fn decide(
    connection: &mut PgConnection,
    token: &Token,
    read: Read,
    copy: &Revocations,
) -> Result<Option<Presented>, StoreError> {
    let Read { mut session, mut state, epoch, now, is_known } = read;
    let before = state;
    // An epoch that the store forgot is not known, so the session is over.
    let transition = if is_known {
        state.present(token.generation, token.key_id, now, &token.rotation)
    } else {
        Transition::Expired
    };
    let accepted = |session| {
        let (generation, key_id) = (state.generation, state.key_id);
        Presented::Accepted(Accepted { transition, session, generation, key_id, epoch })
    };
    match transition {
        Transition::Replayed => Ok(Some(accepted(session))),
        Transition::Rotated | Transition::Forgiven => {
            if !advance(connection, token, &before, &state).await? {
                return Ok(None);
            }
            session.last_used = Duration::from_millis(now);
            session.expires = Duration::from_millis(state.deadline());
            session.client = token.client.clone();
            Ok(Some(accepted(session)))
        }
        Transition::Reused => {
            let until = sqlx::query_scalar("SELECT session_reused($1, $2, $3)")
                .bind(token.session.to_string())
                .bind(int(before.generation))
                .bind(millis(token.access))
                .fetch_one(connection);
            let until: Option<i64> = until.await.map_err(failed)?;
            let Some(until) = until else { return Ok(None) };
            let until = u64::try_from(until).map_err(|_| corrupt())?;
            copy.record(&Revoked::Session { id: token.session, until });
            Ok(Some(Presented::Reused(Box::new(Reuse {
                session,
                presenter: token.client.clone(),
                presented: token.generation,
                current: before.generation,
                since_rotation: Duration::from_millis(now.saturating_sub(before.rotated_at)),
            }))))
        }
        Transition::RolledBack => Ok(Some(Presented::RolledBack)),
        // The sweep removes it.
        _ => Ok(Some(Presented::Unknown)),
    }
}

/// Writes the next state, if the family is still in the one `before`. A state changes only with its
/// generation, which only grows.
async fn advance(
    connection: &mut PgConnection,
    token: &Token,
    before: &FamilyState,
    next: &FamilyState,
) -> Result<bool, StoreError> {
    let written = sqlx::query(
        "UPDATE session_family SET generation = $3, previous = $4, key_id = $5, rotated_at = $6, \
         last_used = $6, idle_deadline = $7, forgiven = $8, forgiven_since = $9, user_agent = $10, \
         network = $11::cidr WHERE id = $1 AND generation = $2",
    )
    .bind(token.session.to_string())
    .bind(int(before.generation))
    .bind(int(next.generation))
    .bind(int(next.previous))
    .bind(i64::from(next.key_id))
    .bind(int(next.rotated_at))
    .bind(int(next.idle_deadline))
    .bind(i64::from(next.forgiven))
    .bind(int(next.forgiven_since))
    .bind(token.client.agent())
    .bind(token.client.network())
    .execute(connection);
    Ok(written.await.map_err(failed)?.rows_affected() == 1)
}

/// Reads the answer of `session_open`.
pub(crate) fn opened(row: &PgRow, subject: &str, copy: &Revocations) -> Result<Opened, StoreError> {
    copy.began(number(row, "o_origin")?);
    record_ended(row, copy)?;
    let (epoch, at) = (number(row, "o_epoch")?, number(row, "o_at")?);
    if let Some(until) = optional(row, "o_epoch_until")? {
        copy.record(&Revoked::Subject { subject, epoch, until });
    }
    Ok(Opened { epoch, at })
}

/// Reads the answer of `session_revoke`.
pub(crate) fn revoked(row: &PgRow, subject: &str, copy: &Revocations) -> Result<u32, StoreError> {
    copy.began(number(row, "o_origin")?);
    if let Some(epoch) = optional(row, "o_epoch")? {
        copy.record(&Revoked::Subject { subject, epoch, until: number(row, "o_until")? });
        let ended: Vec<String> = column(row, "o_ended")?;
        return ended.len().try_into().map_err(|_| corrupt());
    }
    record_ended(row, copy)
}

fn record_ended(row: &PgRow, copy: &Revocations) -> Result<u32, StoreError> {
    let (ended, until) = (column::<Vec<String>>(row, "o_ended")?, number(row, "o_until")?);
    for session in &ended {
        copy.record(&Revoked::Session { id: id(session)?, until });
    }
    ended.len().try_into().map_err(|_| corrupt())
}

/// How often a family is read. Each further time, another client has changed it.
const ATTEMPTS: usize = 8;
