//! A command on its way to the server.

use std::{fmt, sync::Arc};

use tokio::{sync::oneshot, time::Instant};

use super::Shared;
use crate::{Error, ErrorKind, Value};

/// A command on its way to the server. It is answered and reported exactly once: a job that is
/// dropped, with its connection or its runtime, answers that the link is down.
pub(crate) struct Job {
    pub(crate) command: redis::Cmd,
    /// The text of the script that it calls: the server may have forgotten it.
    pub(crate) script: Option<&'static str>,
    pub(crate) submitted: Instant,
    /// It may have reached the server.
    pub(crate) sent: bool,
    shared: Arc<Shared>,
    /// `None` once it was answered. The link's own probes are born so.
    reply: Option<oneshot::Sender<Result<Value, Error>>>,
}

impl Job {
    pub(crate) fn new(
        command: redis::Cmd,
        script: Option<&'static str>,
        shared: &Arc<Shared>,
        reply: oneshot::Sender<Result<Value, Error>>,
    ) -> Self {
        let submitted = Instant::now();
        let shared = Arc::clone(shared);
        Self { command, script, submitted, sent: false, shared, reply: Some(reply) }
    }

    /// The link's own question whether the server serves.
    pub(super) fn probe(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        let command = redis::cmd("PING");
        Self { command, script: None, submitted: Instant::now(), sent: true, shared, reply: None }
    }

    pub(super) fn is_probe(&self) -> bool {
        self.reply.is_none()
    }

    /// Whether its reply has ended, so that sending it now could charge a request that was decided
    /// without it.
    pub(super) fn is_overdue(&self) -> bool {
        self.submitted.elapsed() >= self.shared.settings.deadline
    }

    /// Passes the answer on.
    pub(crate) fn answer(mut self, result: Result<Value, Error>) {
        self.end(result);
    }

    fn end(&mut self, mut result: Result<Value, Error>) {
        let Some(reply) = self.reply.take() else { return };
        if self.is_overdue() && result.is_ok() {
            // The reply says the same by its own timer.
            result = Err(Error::new(ErrorKind::Timeout).possibly_sent());
        }
        self.shared.answered(result.as_ref().map(|_| ()), self.submitted.elapsed());
        // An error means that the reply was dropped.
        let _answer = reply.send(result);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let kind = if self.is_overdue() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
        let error = Error::new(kind);
        self.end(Err(if self.sent { error.possibly_sent() } else { error }));
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("sent", &self.sent).finish_non_exhaustive()
    }
}
