//! The task that keeps this process's copy of the revocations up to date.

use std::{sync::Weak, time::Duration};

use hardpoint_core::{Mono, Time};
use hardpoint_redis::{Entry, Tail};

use super::{RedisSessions, scripts};
use crate::{
    Revocations, Revoked,
    session::{FamilyStore, StoreError},
    store::redis::{Fields, corrupt, failed},
};

/// Where the copy is: the number of the last log entry that it contains.
struct Position {
    tail: Tail,
    number: u64,
    origin: u64,
}

/// Follows the log until the store is dropped. The store is borrowed only between waits, so that the
/// task does not keep it alive.
pub(super) async fn follow(store: Weak<RedisSessions>, time: Time, patience: Duration) {
    let patience = patience.max(Duration::from_millis(1));
    let (mut pause, mut is_failing) = (FIRST_PAUSE, false);
    while store.strong_count() > 0 {
        let followed = follow_on(&store, &time, patience, || {
            (pause, is_failing) = (FIRST_PAUSE, false);
        });
        let Err(error) = followed.await else { continue };
        if !is_failing {
            tracing::warn!(
                target: "hardpoint::auth::revocation",
                error = &error as &dyn std::error::Error,
                "the revocations of other instances cannot be followed"
            );
        }
        is_failing = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Reads a snapshot and follows the log from there, until entries are missing (the next snapshot
/// contains them) or the store is dropped. Each round waits for entries at most `patience`.
async fn follow_on(
    store: &Weak<RedisSessions>,
    time: &Time,
    patience: Duration,
    mut succeeded: impl FnMut(),
) -> Result<(), StoreError> {
    // The copy is as old as the question, not as the answer.
    let mut asked = time.now();
    let Some(strong) = store.upgrade() else { return Ok(()) };
    let mut at = snapshot(&strong).await?;
    strong.revocations().synced(asked);
    drop(strong);
    loop {
        succeeded();
        asked = time.now();
        let news = at.tail.next(patience).await.map_err(failed)?;
        let Some(store) = store.upgrade() else { return Ok(()) };
        if !at.apply(&store, &news, asked).await? {
            return Ok(());
        }
    }
}

impl Position {
    /// Adds news to the copy. `false` if some of them are missing.
    async fn apply(
        &mut self,
        store: &RedisSessions,
        news: &[Entry],
        asked: Mono,
    ) -> Result<bool, StoreError> {
        let copy = store.revocations();
        for entry in news {
            let (number, what, until) = read(entry).ok_or_else(corrupt)?;
            record(copy, &what, until)?;
            self.number += 1;
            if number != self.number {
                // The log was trimmed, or is another one.
                return Ok(false);
            }
        }
        // A greater number may be one that came just now, or one whose entry is gone with the log.
        if news.is_empty() && status(store).await? != (self.origin, self.number) {
            return Ok(false);
        }
        // A full answer may have left some news behind.
        if news.len() < FULL {
            copy.synced(asked);
        }
        Ok(true)
    }
}

async fn status(store: &RedisSessions) -> Result<(u64, u64), StoreError> {
    let answer = store.run(&scripts::STATUS, &[], |answer| {
        let mut fields = Fields::read(answer)?;
        Ok((fields.number()?, fields.number()?))
    });
    answer.await
}

/// Reads all live revocations. What is added meanwhile is in the log, behind the position.
async fn snapshot(store: &RedisSessions) -> Result<Position, StoreError> {
    let copy = store.revocations();
    let (mut first, mut begun) = (0, None);
    loop {
        let range = [first.into(), (first + PAGE - 1).into()];
        let page = store.run(&scripts::SNAPSHOT, &range, |answer| {
            let mut fields = Fields::read(answer)?;
            let (origin, number, last) = (fields.number()?, fields.number()?, fields.text()?);
            let (mut page, mut entries) = (fields.list()?, Vec::new());
            while !page.is_empty() {
                entries.push((page.text()?, page.number()?));
            }
            Ok((origin, number, last, entries))
        });
        let (origin, number, last, entries) = page.await?;
        let position = begun.get_or_insert_with(|| {
            let [_origin, log, ..] = &store.names;
            let tail = store.redis.tail(log.clone()).starting_after(last);
            Position { tail, number, origin }
        });
        if origin != position.origin {
            // The server lost its state between two pages.
            (first, begun) = (0, None);
            continue;
        }
        for (what, until) in &entries {
            record(copy, what, *until)?;
        }
        if i64::try_from(entries.len()).unwrap_or(i64::MAX) < PAGE {
            copy.began(origin);
            // Set in the first round of the loop.
            return begun.ok_or_else(corrupt);
        }
        first += PAGE;
    }
}

/// The number, the revocation and its time.
fn read(entry: &Entry) -> Option<(u64, String, u64)> {
    let field = |name: &[u8]| {
        let (_, value) = entry.fields.iter().find(|(own, _)| own == name)?;
        String::from_utf8(value.clone()).ok()
    };
    Some((field(b"n")?.parse().ok()?, field(b"r")?, field(b"u")?.parse().ok()?))
}

/// Adds a revocation to the copy: `s` and the session, `t` and the token, or `e`, the epoch, a space
/// and the subject.
fn record(copy: &Revocations, what: &str, until: u64) -> Result<(), StoreError> {
    let (kind, rest) = what.split_at_checked(1).ok_or_else(corrupt)?;
    match kind {
        "s" => copy.record(&Revoked::Session { id: rest.parse().map_err(|_| corrupt())?, until }),
        "t" => copy.record(&Revoked::Token { id: rest, until }),
        "e" => {
            let (epoch, subject) = rest.split_once(' ').ok_or_else(corrupt)?;
            let epoch = epoch.parse().map_err(|_| corrupt())?;
            copy.record(&Revoked::Subject { subject, epoch, until });
        }
        _ => return Err(corrupt()),
    }
    Ok(())
}

/// The pauses after failures.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// The entries of a page of a snapshot.
const PAGE: i64 = 1000;
/// The entries of a full answer of the log.
const FULL: usize = 1024;
