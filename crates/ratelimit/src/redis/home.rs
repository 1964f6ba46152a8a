//! Where answers are waited for.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
};

use super::landing::{Flight, Landing};

/// The runtime that waits for answers: the one in which the limiter is built, or a thread of
/// the store's own.
pub(super) struct Home {
    handle: Handle,
    landing: Arc<Landing>,
    /// Ends the thread when the store is dropped.
    _thread: Option<oneshot::Sender<()>>,
}

impl Home {
    pub(super) fn find() -> io::Result<Self> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self { handle, landing: Arc::default(), _thread: None });
        }
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (sender, dropped) = oneshot::channel();
        let name = "hardpoint-ratelimit".to_owned();
        drop(thread::Builder::new().name(name).spawn(move || runtime.block_on(dropped))?);
        Ok(Self { handle, landing: Arc::default(), _thread: Some(sender) })
    }

    /// Waits for the end of a call.
    pub(super) fn expect(&self, flight: Flight) {
        self.landing.expect(flight, &self.handle);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.landing.close();
    }
}
