//! An attempt whose password is being checked.

use std::net::IpAddr;

use hardpoint_core::event::{AttemptLane, Decider};

use super::{LoginGuard, Settled, Ticket, device::DeviceCookie, store::Attempter};

/// A counted attempt to log in. Settle it after the password was checked.
///
/// An attempt that is dropped without being settled, for example because the client closed the
/// connection while the password was hashed, counts as failed: a client that does not wait for the answer
/// guesses no more than others.
#[must_use = "an attempt that is dropped counts as failed"]
pub struct Attempt {
    pub(super) guard: LoginGuard,
    pub(super) account: Box<str>,
    pub(super) device: Option<[u8; 16]>,
    pub(super) network: Option<IpAddr>,
    pub(super) ticket: Ticket,
    pub(super) decider: Decider,
    pub(super) is_settled: bool,
}

debug_only!(Attempt { ticket, decider });

impl Attempt {
    /// Whether the client is a known device of the account, and neither it nor all devices of the
    /// account together have reached their hard stop.
    #[must_use]
    pub fn is_known_device(&self) -> bool {
        self.ticket.lane == AttemptLane::Device
    }

    /// The password was right: the failures of the lane are forgotten. Returns the cookie that makes
    /// this client a known device; `None` if the system returned no random bytes.
    ///
    /// Failures that strangers caused stay counted when a known device logs in.
    #[must_use = "without its cookie the client stays a stranger"]
    pub fn succeeded(mut self) -> Option<DeviceCookie> {
        self.settle(Settled::Succeeded);
        self.guard.remember(&self.account)
    }

    /// The password was wrong, or the account does not exist.
    pub fn failed(mut self) {
        self.settle(Settled::Failed);
    }

    /// No password was checked, for example because the hasher or the database was overloaded: the
    /// attempt is not counted. Never call it after a password was compared.
    pub fn unverified(mut self) {
        self.settle(Settled::Unverified);
    }

    fn settle(&mut self, settled: Settled) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let Self { account, device, network, ticket, decider, .. } = &*self;
        let by = Attempter { account, device: device.as_ref(), network: *network };
        self.guard.inner.settle(by, *ticket, *decider, settled);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.settle(Settled::Failed);
    }
}
