//! Why a call has no answer.

use std::fmt;

use hardpoint_core::event::StoreErrorKind;

use crate::StoreError;

/// Why a call has no answer.
pub(super) struct Failure {
    kind: StoreErrorKind,
    /// The server may have executed it.
    pub(super) sent: bool,
    source: Option<hardpoint_redis::Error>,
}

impl Failure {
    pub(super) const NOT_SENT: Self =
        Self { kind: StoreErrorKind::Unavailable, sent: false, source: None };
    pub(super) const CORRUPT: Self =
        Self { kind: StoreErrorKind::Corrupt, sent: true, source: None };
    pub(super) const DROPPED: Self =
        Self { kind: StoreErrorKind::Unavailable, sent: true, source: None };

    pub(super) fn to_error(&self) -> StoreError {
        let error = StoreError::new(self.kind);
        match &self.source {
            Some(source) => error.with_source(source.clone()),
            None => error,
        }
    }
}

impl From<hardpoint_redis::Error> for Failure {
    fn from(error: hardpoint_redis::Error) -> Self {
        Self { kind: error.kind().into(), sent: error.may_have_executed(), source: Some(error) }
    }
}

/// The keys of a call are in several slots of a cluster.
#[derive(Debug)]
pub(super) struct Scattered;

pub(super) const SCATTERED: &str = "the server is a cluster, where the keys of one call must be in one slot; set \
                         `RedisStoreBuilder::common_tag`, or use a server that is not a cluster";

impl fmt::Display for Scattered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCATTERED)
    }
}

impl std::error::Error for Scattered {}
