//! The number of connections, in total and per client network. Pure: takes addresses and caps.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// How many connections a server holds at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) total: usize,
    pub(super) per_network: u32,
}

/// Why a connection has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The client's network holds as many connections as one network may.
    Network,
    /// The server holds as many connections as it may.
    Server,
}

/// Counts the open connections. Its memory is bounded by the total cap: a network without a
/// connection has no entry.
#[derive(Debug, Default)]
pub(super) struct Occupancy {
    total: usize,
    networks: HashMap<IpAddr, u32>,
}

impl Occupancy {
    /// Adds a connection from `network`, or from a trusted proxy if that is `None`.
    pub(super) fn enter(&mut self, network: Option<IpAddr>, caps: Caps) -> Result<(), Full> {
        if self.total >= caps.total {
            return Err(Full::Server);
        }
        if let Some(network) = network {
            let held = self.networks.get(&network).copied().unwrap_or(0);
            if held >= caps.per_network {
                return Err(Full::Network);
            }
            self.networks.insert(network, held + 1);
        }
        self.total += 1;
        Ok(())
    }

    /// Removes a connection that `enter` added.
    pub(super) fn leave(&mut self, network: Option<IpAddr>) {
        self.total = self.total.saturating_sub(1);
        let Some(network) = network else { return };
        match self.networks.get_mut(&network) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(self.networks.remove(&network)),
        }
    }

    #[cfg(test)]
    const fn total(&self) -> usize {
        self.total
    }
}

/// The network that an address is counted under: a whole IPv4 address, or the first 64 bits of an
/// IPv6 address, since one customer usually controls all addresses below them.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_a_64_bit_prefix() {
        assert_eq!(network_of(ip("192.0.2.7")), ip("192.0.2.7"));
        assert_eq!(network_of(ip("::ffff:192.0.2.7")), ip("192.0.2.7"));
        assert_eq!(network_of(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_ne!(network_of(ip("2001:db8:1:2::1")), network_of(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn a_full_network_leaves_places_to_others_and_to_proxies() {
        let caps = Caps { total: 4, per_network: 2 };
        let mut occupancy = Occupancy::default();
        let (one, two) = (Some(ip("192.0.2.1")), Some(ip("192.0.2.2")));
        assert_eq!(occupancy.enter(one, caps), Ok(()));
        assert_eq!(occupancy.enter(one, caps), Ok(()));
        assert_eq!(occupancy.enter(one, caps), Err(Full::Network));
        assert_eq!(occupancy.enter(two, caps), Ok(()));
        assert_eq!(occupancy.enter(None, caps), Ok(()));
        assert_eq!(occupancy.enter(None, caps), Err(Full::Server));
        occupancy.leave(one);
        assert_eq!(occupancy.enter(one, caps), Ok(()));
    }

    proptest! {
        #[test]
        fn no_history_passes_a_cap_or_leaves_an_entry_behind(
            steps in prop::collection::vec((any::<bool>(), prop::option::of(0_u8..4)), 0..200),
        ) {
            let caps = Caps { total: 7, per_network: 3 };
            let mut occupancy = Occupancy::default();
            let mut held: Vec<Option<IpAddr>> = Vec::new();
            for (enters, network) in steps {
                let network = network.map(|last| IpAddr::from([192, 0, 2, last]));
                let same = held.iter().filter(|other| **other == network).count();
                if enters {
                    let entered = occupancy.enter(network, caps);
                    let free = held.len() < 7 && (network.is_none() || same < 3);
                    prop_assert_eq!(entered.is_ok(), free);
                    if free {
                        held.push(network);
                    }
                } else if let Some(index) = held.iter().position(|other| *other == network) {
                    held.swap_remove(index);
                    occupancy.leave(network);
                }
                prop_assert_eq!(occupancy.total(), held.len());
            }
            for network in held {
                occupancy.leave(network);
            }
            prop_assert_eq!(occupancy.total(), 0);
            prop_assert!(occupancy.networks.is_empty());
        }
    }
}
