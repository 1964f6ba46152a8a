//! Client addresses to ask about.

use std::net::Ipv4Addr;

/// `count` different IPv4 addresses in no order that a table could profit from.
#[must_use]
pub fn addresses(count: u32) -> Vec<Ipv4Addr> {
    (0..count).map(address).collect()
}

/// The `index`th address. Different indexes give different addresses: an odd factor permutes the
/// numbers of 32 bits, as does a shift that is mixed in.
#[must_use]
pub const fn address(index: u32) -> Ipv4Addr {
    let mut bits = index.wrapping_mul(0x9e37_79b1);
    bits ^= bits >> 15;
    bits = bits.wrapping_mul(0x85eb_ca77);
    Ipv4Addr::from_bits(bits ^ (bits >> 13))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_addresses_are_the_same() {
        let all: HashSet<_> = addresses(200_000).into_iter().collect();
        assert_eq!(all.len(), 200_000);
    }
}
