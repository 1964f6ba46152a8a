//! The admin thread: a thread with a runtime of its own for everything that must not wait for the
//! service, such as the admin listener and the observation of the service's runtime.
//!
//! Nothing that is spawned here may block or run foreign code.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::{board::Board, check::run::scoped_dispatch, heartbeat};

/// The handle of the admin thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Monitor {
    handle: Handle,
    /// Dropping the sender ends the thread, and everything that was spawned on it.
    _stop: oneshot::Sender<()>,
}

impl Monitor {
    /// Starts the thread. It observes `service` from now on.
    pub(crate) fn start(board: &Arc<Board>, service: Option<Handle>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        if let Some(service) = service {
            handle.spawn(heartbeat::observe(service, Arc::clone(board)));
        }
        let dispatch = scoped_dispatch();
        thread::Builder::new().name("hardpoint-admin".to_owned()).spawn(move || {
            let _dispatch = dispatch.as_ref().map(tracing::dispatcher::set_default);
            // The sender is only ever dropped.
            drop(runtime.block_on(stopped));
        })?;
        Ok(Self { handle, _stop: stop })
    }

    /// The runtime of the admin thread.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }
}
