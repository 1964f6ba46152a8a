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

/// A lane refused an attempt, which is not counted.
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
    ///
    /// # Errors
    /// [`Denied`] if a lane has no room.
    pub fn reserve(&mut self, limits: &Limits, now: u64, jitter: u16) -> Result<Ticket, Denied> {
        if let Some(device) = &mut self.device {
            let (lane, devices) = (AttemptLane::Device, &mut self.devices);
            device.age(&limits.device, now);
            devices.age(&limits.devices, now);
            let room = device.check(&limits.device, now);
            match room.and_then(|()| devices.check(&limits.devices, now)) {
                Ok(()) => {
                    device.count(&limits.device, now, jitter);
                    devices.count(&limits.devices, now, jitter);
                    return Ok(Ticket { lane, at: now });
                }
                // After its hard stop the device counts as unknown.
                Err(Full { wait: None, .. }) => {}
                Err(Full { wait, is_busy }) => return Err(Denied { lane, wait, is_busy }),
            }
        }
        let lane = AttemptLane::Account;
        let mut paces = [
            (AttemptLane::Network, self.network.as_mut().zip(limits.network)),
            (AttemptLane::Global, Some(&mut self.global).zip(limits.global)),
        ];
        // Each is asked, since asking bounds the wait by a clock that was set back.
        let waits = paces.each_mut().map(|(lane, pace)| {
            let wait = pace.as_mut().map_or(0, |(pace, rate)| pace.wait(rate, now));
            Denied { lane: *lane, wait: Some(wait), is_busy: false }
        });
        self.account.age(&limits.account, now);
        let room = self.account.check(&limits.account, now);
        room.map_err(|Full { wait, is_busy }| Denied { lane, wait, is_busy })?;
        if let Some(denied) = waits.into_iter().find(|denied| denied.wait > Some(0)) {
            return Err(denied);
        }
        self.account.count(&limits.account, now, jitter);
        for (pace, rate) in paces.into_iter().filter_map(|(_, pace)| pace) {
            pace.take(&rate, now);
        }
        Ok(Ticket { lane, at: now })
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
