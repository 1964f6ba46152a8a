//! Following a stream.

use std::{fmt, sync::Arc, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use crate::{Error, ErrorKind, Value, endpoint::ask, link::Shared};

/// Follows one stream of the server on a connection of its own, so that waiting for entries delays
/// no command. Created by [`Redis::tail`](crate::Redis::tail).
///
/// A tail starts no task: it connects, and connects again after an error, when
/// [`next`](Self::next) is called.
pub struct Tail {
    shared: Arc<Shared>,
    stream: String,
    after: String,
    connection: Option<MultiplexedConnection>,
}

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The id that the server gave it: milliseconds, a dash, and a sequence number.
    pub id: String,
    /// The fields and their values, in the order in which they were added.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Tail {
    pub(crate) fn new(shared: Arc<Shared>, stream: String) -> Self {
        Self { shared, stream, after: FIRST.to_owned(), connection: None }
    }

    /// Skips the entries up to the one with this id, such as `1526919030474-55`, and that one too.
    /// Default: `0`, before the first entry.
    #[must_use]
    pub fn starting_after(mut self, id: impl Into<String>) -> Self {
        self.after = id.into();
        self
    }

    /// The id of the last entry that was returned, or where the tail starts.
    #[must_use]
    pub fn after(&self) -> &str {
        &self.after
    }

    /// Waits for the next entries, at most `patience`, one deadline of the link and 250 ms, and
    /// connects if needed, within the connect timeout. (An idle server looks ten times a second
    /// whether a client has waited long enough.) Returns at most 1,024 entries, oldest first; none if
    /// `patience` ended first, which proves that the server had none.
    ///
    /// Cancel safe: a call that is dropped loses no entry.
    ///
    /// # Errors
    /// Any failure of the connection or the server. The next call connects again and goes on after
    /// the last entry that was returned; the caller waits between attempts. Entries that the server
    /// has trimmed meanwhile are missing: compare ids if that matters.
    pub async fn next(&mut self, patience: Duration) -> Result<Vec<Entry>, Error> {
        // Taken out, so that a dropped call also drops the connection whose answer it did not read.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        // 0 would block for ever.
        let block = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(BATCH).arg("BLOCK").arg(block);
        command.arg("STREAMS").arg(&self.stream).arg(&self.after);
        let limit = patience.saturating_add(self.shared.settings.deadline + TICK);
        let answer = timeout(limit, ask(&mut connection, &command))
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout))?
            .map_err(Error::from_wire)?;
        let entries = entries(Value::from_wire(answer)?)?;
        if let Some(last) = entries.last() {
            self.after.clone_from(&last.id);
        }
        self.connection = Some(connection);
        Ok(entries)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let limit = self.shared.settings.connect_timeout;
        match timeout(limit, self.shared.endpoint.dial()).await {
            Ok(dialled) => dialled.map_err(Error::from_wire),
            Err(_) => Err(Error::new(ErrorKind::Timeout)),
        }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail")
            .field("after", &self.after)
            .field("connected", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

/// Reads the answer to `XREAD` of one stream: nil, or a map or an array of pairs from the stream's
/// name to its entries.
fn entries(answer: Value) -> Result<Vec<Entry>, Error> {
    let of_stream = match answer {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        Value::Array(streams) => match streams.into_iter().next() {
            Some(pair) => pair.into_array()?.into_iter().nth(1),
            None => None,
        },
        _ => return Err(Error::corrupt()),
    };
    of_stream.ok_or_else(Error::corrupt)?.into_array()?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<Entry, Error> {
    let mut parts = value.into_array()?.into_iter();
    let (Some(id), Some(fields), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::corrupt());
    };
    let mut fields = fields.into_array()?.into_iter().map(bytes);
    let mut pairs = Vec::with_capacity(fields.len() / 2);
    while let Some(name) = fields.next() {
        pairs.push((name?, fields.next().ok_or_else(Error::corrupt)??));
    }
    let id = String::from_utf8(bytes(id)?).map_err(|_| Error::corrupt())?;
    Ok(Entry { id, fields: pairs })
}

fn bytes(value: Value) -> Result<Vec<u8>, Error> {
    value.into_bytes()?.ok_or_else(Error::corrupt)
}

/// How late the server may notice the end of a client's patience: every 100 ms, at its default `hz`.
const TICK: Duration = Duration::from_millis(250);

/// The id before that of every entry.
const FIRST: &str = "0";

/// The most entries of one answer.
const BATCH: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Bytes(text.into())
    }

    fn one_entry() -> Value {
        let fields = Value::Array(vec![text("family"), text("f1")]);
        Value::Array(vec![Value::Array(vec![text("5-0"), fields])])
    }

    #[test]
    fn both_protocols_give_the_same_entries() {
        let expected =
            vec![Entry { id: "5-0".into(), fields: vec![(b"family".into(), b"f1".into())] }];
        let resp2 = Value::Array(vec![Value::Array(vec![text("s"), one_entry()])]);
        assert_eq!(entries(resp2).unwrap(), expected);
        let resp3 = Value::Map(vec![(text("s"), one_entry())]);
        assert_eq!(entries(resp3).unwrap(), expected);
        assert_eq!(entries(Value::Nil).unwrap(), []);
    }

    #[test]
    fn an_answer_of_another_shape_is_corrupt() {
        let odd =
            Value::Array(vec![Value::Array(vec![text("5-0"), Value::Array(vec![text("x")])])]);
        for answer in [Value::Int(1), Value::Array(vec![]), Value::Map(vec![(text("s"), odd)])] {
            assert_eq!(entries(answer).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
