//! The lengths of gRPC's messages in a stream of bytes.

/// Follows the prefixes of messages: a byte that says whether the message is compressed, and its
/// length in four bytes, the highest first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Messages {
    prefix: [u8; 5],
    /// How many bytes of the prefix are known.
    known: usize,
    /// Bytes of the message that are still to come.
    left: u64,
}

impl Messages {
    /// Follows the next bytes of the stream. `false` if a message in them is longer than `limit`: its
    /// prefix suffices.
    pub(super) fn follow(&mut self, mut data: &[u8], limit: u64) -> bool {
        while !data.is_empty() {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
            let (_, rest) = data.split_at(skipped);
            data = rest;
            self.left -= skipped as u64;
            if self.left > 0 {
                break;
            }
            let Some(prefix) = self.prefix.get_mut(self.known..) else { return false };
            let taken = prefix.len().min(data.len());
            let (begin, rest) = data.split_at(taken);
            prefix[..taken].copy_from_slice(begin);
            data = rest;
            self.known += taken;
            if self.known < self.prefix.len() {
                break;
            }
            let [_compressed, a, b, c, d] = self.prefix;
            self.known = 0;
            self.left = u32::from_be_bytes([a, b, c, d]).into();
            if self.left > limit {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let prefix = u32::try_from(length).unwrap().to_be_bytes();
        [&[0][..], &prefix, &vec![7; length]].concat()
    }

    #[test]
    fn each_message_is_measured_however_the_stream_is_divided() {
        let within = [message(10), message(0), message(9), message(10)].concat();
        let beyond = [message(10), message(11)].concat();
        for step in 1..30 {
            let fits = |stream: &[u8]| {
                let mut messages = Messages::default();
                stream.chunks(step).all(|part| messages.follow(part, 10))
            };
            assert!(fits(&within), "{step}");
            assert!(!fits(&beyond), "{step}");
        }
    }

    #[test]
    fn a_long_message_is_known_by_its_prefix() {
        let mut messages = Messages::default();
        assert!(messages.follow(&[0, 0xff, 0xff, 0xff], 10));
        assert!(!messages.follow(&[0xff], 10));
        assert!(Messages::default().follow(&[0, 0xff, 0xff, 0xff, 0xff], u64::MAX));
    }
}
