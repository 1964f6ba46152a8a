//! The decision about one attempt over all lanes. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use hardpoint_core::event::AttemptLane;

use super::{Full, LaneLimits, LaneState, Settled};
use crate::rate::{Pace, Rate};

/// The limits of all lanes.
///
/// | lane | counts | default |
/// |---|---|---|
/// | [`account`](Self::account) | the failures of an account, from unknown devices | [`LaneLimits::account`] |
/// | [`device`](Self::device) | the failures of a known device of an account | [`LaneLimits::device`] |
/// | [`devices`](Self::devices) | the failures of all known devices of an account | [`LaneLimits::devices`] |
/// | [`network`](Self::network) | failures from a client's network, from unknown devices | 10 a minute, 100 at once |
/// | [`global`](Self::global) | failures from unknown devices | 10 a second, 6,000 at once |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Limits {
    pub(crate) account: LaneLimits,
    pub(crate) device: LaneLimits,
    pub(crate) devices: LaneLimits,
    pub(crate) network: Option<Rate>,
    pub(crate) global: Option<Rate>,
}

impl Limits {
    /// The defaults.
    pub const fn new() -> Self {
        const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();
        const HUNDRED: NonZeroU32 = NonZeroU32::new(100).unwrap();
        const THOUSANDS: NonZeroU32 = NonZeroU32::new(6_000).unwrap();

        Self {
            account: LaneLimits::account(),
            device: LaneLimits::device(),
            devices: LaneLimits::devices(),
            network: Some(Rate::new(TEN, Duration::from_secs(60)).burst(HUNDRED)),
            global: Some(Rate::new(TEN, Duration::from_secs(1)).burst(THOUSANDS)),
        }
    }

    /// The limits of an account, for devices that are not known.
    pub const fn account(self, limits: LaneLimits) -> Self {
        Self { account: limits, ..self }
    }

    /// The limits of one known device of an account.
    pub const fn device(self, limits: LaneLimits) -> Self {
        Self { device: limits, ..self }
    }

    /// The limits of all known devices of an account together. A thief who knew the password once may have
    /// collected many device cookies, and a new password does not void them: this bounds what all of
    /// them are worth. After its hard stop every device of the account counts as unknown, until one of
    /// them succeeds or the account is unlocked.
    pub const fn devices(self, limits: LaneLimits) -> Self {
        Self { devices: limits, ..self }
    }

    /// How many failures one network of clients may cause; `None` for any number. Default: 10 a
    /// minute, 100 at once: an office behind one address mistypes less, and an attacker with one
    /// address gets through a list of leaked passwords slowly. An attempt is taken in advance and put
    /// back if it succeeds, so this also bounds the attempts in flight.
    pub const fn network(self, rate: Option<Rate>) -> Self {
        Self { network: rate, ..self }
    }

    /// How many failures unknown devices may cause altogether; `None` for any number. Default: 10 a
    /// second, 6,000 at once. An attacker with many addresses can use it up, and then only known
    /// devices log in: raise it for a service whose users fail more often.
    pub const fn global(self, rate: Option<Rate>) -> Self {
        Self { global: rate, ..self }
    }

    /// A share of the limits, above 0 and at most 1.
    pub(crate) fn share(self, share: f32) -> Self {
        Self {
            account: self.account.share(share),
            device: self.device.share(share),
            devices: self.devices.share(share),
            network: self.network.map(|rate| rate.share(share)),
            global: self.global.map(|rate| rate.share(share)),
        }
    }
}

impl Default for Limits {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

/// The lanes of one attempt, as a store keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// The lane of the account.
    pub account: LaneState,
    /// The lane of the device; `None` if it is not known.
    pub device: Option<LaneState>,
    /// The lane of all known devices of the account.
    pub devices: LaneState,
    /// The lane of the client's network; `None` if it is not known.
    pub network: Option<Pace>,
    /// The global lane.
    pub global: Pace,
}

/// An attempt that is counted. [`Lanes::settle`] takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// [`Account`](AttemptLane::Account) or [`Device`](AttemptLane::Device).
    pub lane: AttemptLane,
    /// When it was counted, by the clock of the store.
    pub at: u64,
}

/// The answer about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// The attempt is counted, and the password may be checked.
    Admitted(Ticket),
    /// The attempt is refused and not counted.
    Denied(Denied),
}

/// A lane refused an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Which lane.
    pub lane: AttemptLane,
    /// How long the client has to wait, in milliseconds; `None` after the hard stop of the account.
    pub wait: Option<u64>,
    /// Whether only attempts that are not settled fill the lane and none has failed: if they succeed,
    /// there is room.
    pub is_busy: bool,
}

impl Lanes {
    /// Counts an attempt in all its lanes, or in none.
    ///
    /// A known device is counted in its own lane and in the lane of all devices of the account, until
    /// one of them reaches its hard stop. All others need room in the account, network and global
    /// lanes.
    pub fn reserve(&mut self, limits: &Limits, now: u64, jitter: u16) -> Reserved {
        if let Some(device) = &mut self.device
            && let Some(reserved) = reserve_device(device, &mut self.devices, limits, now, jitter)
        {
            return reserved;
        }
        let Self { account, network, global, .. } = self;
        reserve_unknown(account, network.as_mut(), global, limits, now, jitter)
    }

    /// Settles an attempt.
    pub fn settle(&mut self, limits: &Limits, now: u64, ticket: Ticket, settled: Settled) {
        let Ticket { lane, at } = ticket;
        if lane == AttemptLane::Device {
            if let Some(device) = &mut self.device {
                device.settle(&limits.device, now, at, settled);
                self.devices.settle(&limits.devices, now, at, settled);
            }
            return;
        }
        self.account.settle(&limits.account, now, at, settled);
        if settled == Settled::Failed {
            return;
        }
        if let (Some(network), Some(rate)) = (&mut self.network, &limits.network) {
            network.put_back(rate);
        }
        if let Some(rate) = &limits.global {
            self.global.put_back(rate);
        }
    }
}

/// The decision of a device's lane and that of all devices of the account; `None` if one of them reached
/// its hard stop, so that the device counts as unknown.
pub(super) fn reserve_device(
    device: &mut LaneState,
    devices: &mut LaneState,
    limits: &Limits,
    now: u64,
    jitter: u16,
) -> Option<Reserved> {
    let lane = AttemptLane::Device;
    device.age(&limits.device, now);
    devices.age(&limits.devices, now);
    let room = device.check(&limits.device, now);
    match room.and_then(|()| devices.check(&limits.devices, now)) {
        Ok(()) => {
            // Checked above, and nothing has changed since.
            let at = device.reserve(&limits.device, now, jitter).ok()?;
            devices.reserve(&limits.devices, now, jitter).ok()?;
            Some(Reserved::Admitted(Ticket { lane, at }))
        }
        Err(Full { wait: None, .. }) => None,
        Err(Full { wait, is_busy }) => Some(Reserved::Denied(Denied { lane, wait, is_busy })),
    }
}

pub(super) fn reserve_unknown(
    account: &mut LaneState,
    network: Option<&mut Pace>,
    global: &mut Pace,
    limits: &Limits,
    now: u64,
    jitter: u16,
) -> Reserved {
    account.age(&limits.account, now);
    let mut network = network.zip(limits.network.as_ref());
    let waits = [
        (AttemptLane::Network, network.as_mut().map(|(pace, rate)| pace.wait(rate, now))),
        (AttemptLane::Global, limits.global.as_ref().map(|rate| global.wait(rate, now))),
    ];
    let denied = |lane, wait| Reserved::Denied(Denied { lane, wait, is_busy: false });
    if let Err(Full { wait, is_busy }) = account.check(&limits.account, now) {
        return Reserved::Denied(Denied { lane: AttemptLane::Account, wait, is_busy });
    }
    let full = waits.into_iter().find_map(|(lane, wait)| Some((lane, wait.filter(|w| *w > 0)?)));
    if let Some((lane, wait)) = full {
        return denied(lane, Some(wait));
    }
    // Checked above, and nothing has changed since.
    let Ok(at) = account.reserve(&limits.account, now, jitter) else {
        return denied(AttemptLane::Account, None);
    };
    if let Some((pace, rate)) = network {
        pace.take(rate, now);
    }
    if let Some(rate) = &limits.global {
        global.take(rate, now);
    }
    Reserved::Admitted(Ticket { lane: AttemptLane::Account, at })
}
