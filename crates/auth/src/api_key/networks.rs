//! How many unknown keys each client network has presented lately.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hardpoint_core::Key;

use crate::{
    rate::{Pace, Rate},
    table::{Digests, Table},
};

/// The networks that are remembered.
const NETWORKS: usize = 4_096;

/// The paces of client networks.
pub(super) struct Networks {
    rate: Rate,
    paces: Mutex<Table<Pace>>,
    digests: Digests,
}

/// A client network, as it is remembered.
#[derive(Clone, Copy)]
pub(super) struct Network(u128);

impl Networks {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, paces: Mutex::new(Table::new(NETWORKS)), digests: Digests::new() }
    }

    pub(super) fn network(&self, address: IpAddr) -> Network {
        Network(self.digests.digest(b'n', Key::address(address).as_bytes()))
    }

    /// How long a network must wait until it may present another unknown key.
    pub(super) fn wait(&self, network: Network, now: u64) -> Option<Duration> {
        let wait = self.change(network, now, |pace| pace.wait(&self.rate, now));
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    /// Counts a key that is looked up for a network.
    pub(super) fn count(&self, network: Network, now: u64) {
        self.change(network, now, |pace| pace.take(&self.rate, now));
    }

    /// Takes the count back: the key exists.
    pub(super) fn uncount(&self, network: Network, now: u64) {
        self.change(network, now, |pace| pace.put_back(&self.rate));
    }

    fn change<T>(&self, network: Network, now: u64, change: impl FnOnce(&mut Pace) -> T) -> T {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pace = paces.get(network.0);
        let result = change(&mut pace);
        paces.put(network.0, pace, now);
        result
    }
}
