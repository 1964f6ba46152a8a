//! The text of an IP address without an allocation.

use std::{io::Write, net::IpAddr};

/// As many bytes as the longest text has: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const SIZE: usize = 45;

/// The text of an address.
#[derive(Debug)]
pub(super) struct AddressText {
    bytes: [u8; SIZE],
    used: usize,
}

impl AddressText {
    pub(super) fn new(address: IpAddr) -> Self {
        let mut text = Self { bytes: [0; SIZE], used: 0 };
        match address {
            IpAddr::V4(address) => {
                for (index, octet) in address.octets().into_iter().enumerate() {
                    if index > 0 {
                        text.push(b'.');
                    }
                    text.push_number(octet);
                }
            }
            IpAddr::V6(address) => {
                let mut rest = text.bytes.as_mut_slice();
                // Every address fits.
                let _written = write!(rest, "{address}");
                text.used = SIZE - rest.len();
            }
        }
        text
    }

    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.used).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn push_number(&mut self, number: u8) {
        for unit in [100, 10] {
            if number >= unit {
                self.push(b'0' + number / unit % 10);
            }
        }
        self.push(b'0' + number % 10);
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_std_does() {
        for octet in 0..=u8::MAX {
            let address = IpAddr::from([octet, 0, 255, octet]);
            assert_eq!(AddressText::new(address).as_str(), address.to_string());
        }
        for text in ["::", "::1", "2001:db8::7", "::ffff:10.0.0.1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(AddressText::new(address).as_str(), text);
        }
        let longest = IpAddr::from([u16::MAX; 8]);
        assert_eq!(AddressText::new(longest).as_str(), longest.to_string());
    }
}
