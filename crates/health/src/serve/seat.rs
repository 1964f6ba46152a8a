//! A connection's place among the connections of its server.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::occupancy::{Caps, Full, Occupancy};

/// The places of a server. The lock is taken when a connection opens or closes, never for a
/// request.
#[derive(Debug)]
pub(super) struct Seats {
    caps: Caps,
    occupancy: Mutex<Occupancy>,
}

impl Seats {
    pub(super) fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Self { caps, occupancy: Mutex::default() })
    }

    /// Takes a place for a connection from `network`, or from a trusted proxy if that is `None`.
    pub(super) fn take(self: &Arc<Self>, network: Option<IpAddr>) -> Result<Seat, Full> {
        self.occupancy().enter(network, self.caps)?;
        Ok(Seat { seats: Arc::clone(self), network })
    }

    fn occupancy(&self) -> MutexGuard<'_, Occupancy> {
        // A panic cannot leave the counts half changed: nothing in between can panic.
        self.occupancy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place. The connection's IO owns it, so an upgraded connection keeps it.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    network: Option<IpAddr>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.occupancy().leave(self.network);
    }
}
