//! The operating system's wish that the process ends.

use std::{future, io};

/// A signal that ends a process politely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, or Ctrl-C.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no SIGTERM outside Unix"))]
    Terminate,
}

impl Signal {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// 128 and the signal's number, as shells report a process that a signal ended.
    pub(super) const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Where signals come from: the system, or a test.
pub(super) trait Source {
    /// The next signal. Never resolves if there will be none.
    fn next(&mut self) -> impl Future<Output = Signal> + Send;
}

/// SIGTERM and SIGINT, which from now on do not end the process by themselves.
#[cfg(unix)]
pub(super) struct System {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl System {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}

#[cfg(unix)]
impl Source for System {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => future::pending().await,
        }
    }
}

/// Ctrl-C, which from now on does not end the process by itself.
#[cfg(not(unix))]
pub(super) struct System;

#[cfg(not(unix))]
impl System {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "listening fails on Unix alone; the callers are the same"
    )]
    pub(super) const fn listen() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(not(unix))]
impl Source for System {
    async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => future::pending().await,
        }
    }
}
