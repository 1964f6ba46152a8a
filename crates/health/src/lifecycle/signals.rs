//! The signals that ask the process to exit.

use std::{future, io};

/// A signal that asks the process to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, or Ctrl-C.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has SIGTERM"))]
    Terminate,
}

impl Signal {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// 128 plus the signal's number, as shells report a process that a signal ended.
    pub(super) const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// A source of signals: the system or a test.
pub(super) trait Source {
    /// Waits for the next signal. Never resolves if none can arrive.
    fn next(&mut self) -> impl Future<Output = Signal> + Send;
}

/// No signal: another source receives them.
pub(super) struct Never;

impl Source for Never {
    async fn next(&mut self) -> Signal {
        future::pending().await
    }
}

/// Receives SIGTERM and SIGINT. Once it is created, they no longer end the process by default.
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

/// Receives Ctrl-C. After the first wait, Ctrl-C no longer ends the process by default.
#[cfg(not(unix))]
pub(super) struct System;

#[cfg(not(unix))]
impl System {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "listening can fail only on Unix, and both platforms share the callers"
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
