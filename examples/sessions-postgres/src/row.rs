//! From and to the columns of the tables.

use std::{net::IpAddr, time::Duration};

use hardpoint_auth::session::{FamilyState, Session, SessionClient, SessionId, StoreError};
use sqlx::{Decode, Row, Type, postgres::PgRow};

use crate::call::{corrupt, failed};

/// The columns that [`session`] reads.
macro_rules! session_columns {
    () => {
        "f.id, f.subject, f.scope, f.method, f.created, f.last_used, \
         least(f.idle_deadline, f.absolute_deadline) AS expires, f.user_agent, \
         host(f.network) AS network"
    };
}
pub(crate) use session_columns;

pub(crate) fn session(row: &PgRow) -> Result<Session, StoreError> {
    let agent = column::<Option<&str>>(row, "user_agent")?;
    let client = agent.into_iter().fold(SessionClient::new(), SessionClient::user_agent);
    let network = column::<Option<&str>>(row, "network")?;
    let client = match network {
        Some(address) => client.address(address.parse::<IpAddr>().map_err(|_| corrupt())?),
        None => client,
    };
    Ok(Session {
        id: id(column(row, "id")?)?,
        subject: column::<&str>(row, "subject")?.into(),
        scope: column::<&str>(row, "scope")?.into(),
        method: column::<&str>(row, "method")?.into(),
        created: time(row, "created")?,
        last_used: time(row, "last_used")?,
        expires: time(row, "expires")?,
        client,
    })
}

pub(crate) fn state(row: &PgRow) -> Result<FamilyState, StoreError> {
    Ok(FamilyState {
        generation: number(row, "generation")?,
        previous: number(row, "previous")?,
        key_id: small(row, "key_id")?,
        rotated_at: number(row, "rotated_at")?,
        idle_deadline: number(row, "idle_deadline")?,
        absolute_deadline: number(row, "absolute_deadline")?,
        forgiven: small(row, "forgiven")?,
        forgiven_since: number(row, "forgiven_since")?,
    })
}

pub(crate) fn id(text: &str) -> Result<SessionId, StoreError> {
    text.parse().map_err(|_| corrupt())
}

pub(crate) fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(failed)
}

pub(crate) fn number(row: &PgRow, name: &str) -> Result<u64, StoreError> {
    column::<i64>(row, name)?.try_into().map_err(|_| corrupt())
}

/// A number, or NULL.
pub(crate) fn optional(row: &PgRow, name: &str) -> Result<Option<u64>, StoreError> {
    let number = column::<Option<i64>>(row, name)?;
    number.map(u64::try_from).transpose().map_err(|_| corrupt())
}

fn small(row: &PgRow, name: &str) -> Result<u32, StoreError> {
    column::<i64>(row, name)?.try_into().map_err(|_| corrupt())
}

fn time(row: &PgRow, name: &str) -> Result<Duration, StoreError> {
    Ok(Duration::from_millis(number(row, name)?))
}

/// A number for a column. Those that are too large mean for ever, and so does the end of the year
/// 9999, in milliseconds, with which no sum overflows.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).min(253_402_300_799_000)
}

pub(crate) fn millis(duration: Duration) -> i64 {
    int(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
