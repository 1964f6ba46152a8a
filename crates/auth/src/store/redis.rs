//! What the stores on Redis have in common.

use hardpoint_core::event::StoreErrorKind;
use hardpoint_redis::{Arg, Error, Reply, Value};

use super::{BoxFuture, StoreError};

/// The script whose text is in these files, one after the other.
macro_rules! script {
    ($($file:literal),+) => {
        std::sync::LazyLock::new(|| {
            hardpoint_redis::Script::new(concat!($(include_str!($file)),+))
        })
    };
}
pub(crate) use script;

/// Reads the answer to a command that was submitted.
pub(crate) fn answer<T>(
    reply: Reply,
    read: impl FnOnce(Value) -> Result<T, StoreError> + Send + 'static,
) -> BoxFuture<T> {
    Box::pin(async move { read(reply.await.map_err(failed)?) })
}

/// The error of an answer that the protocol of a store forbids.
pub(crate) const fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt)
}

/// The error of a store whose command failed.
pub(crate) fn failed(error: Error) -> StoreError {
    StoreError::new(error.kind().into()).with_source(error)
}

/// A number, such as one of milliseconds, bounded so that Lua's numbers are exact.
pub(crate) fn int(number: u64) -> Arg<'static> {
    const MOST: i64 = 1 << 50;

    Arg::Int(i64::try_from(number).unwrap_or(MOST).min(MOST))
}

/// The elements of an answer, read from the front.
pub(crate) struct Fields(std::vec::IntoIter<Value>);

impl Fields {
    pub(crate) fn read(answer: Value) -> Result<Self, StoreError> {
        Ok(Self(answer.into_array().map_err(failed)?.into_iter()))
    }

    /// What is left of the elements.
    pub(crate) fn rest(elements: std::vec::IntoIter<Value>) -> Self {
        Self(elements)
    }

    fn value(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(corrupt)
    }

    pub(crate) fn list(&mut self) -> Result<Self, StoreError> {
        Self::read(self.value()?)
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.value()?.into_bytes().map_err(failed)?.ok_or_else(corrupt)
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?).map_err(|_| corrupt())
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.value()?.into_int().map_err(failed)?).map_err(|_| corrupt())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_slice().is_empty()
    }
}
