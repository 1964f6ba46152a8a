//! What buckets are called: on the server, and in this process.

use std::hash::{Hash, Hasher};

use hardpoint_redis::{Concept, Redis};

use crate::store::Digest;

/// The state of limits, as the server knows it.
const LIMITS: Concept = Concept::expiring("limit").loss("a client starts over with a full bucket");

/// Writes the names of buckets: `prefix:v1:limit:{digest}:policy`, where the buckets of one key share
/// a slot of a cluster, or `prefix:v1:limit:{tag}:digest:policy`, where all buckets do.
#[derive(Debug)]
pub(super) struct Names {
    /// What comes before the digest.
    head: Box<[u8]>,
    /// What comes after it.
    tail: &'static [u8],
}

impl Names {
    pub(super) fn new(redis: &Redis, tag: Option<&str>) -> Self {
        let name = redis.keys(&LIMITS).key(tag.unwrap_or_default(), "");
        match tag {
            Some(_) => Self { head: name.as_bytes().into(), tail: b":" },
            None => Self { head: name.trim_end_matches("}:").as_bytes().into(), tail: b"}:" },
        }
    }

    /// Whether all buckets share a slot of a cluster.
    pub(super) fn are_together(&self) -> bool {
        self.tail == b":"
    }

    /// Appends the name of a bucket.
    pub(super) fn write(&self, policy: &str, key: Digest, to: &mut Vec<u8>) {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        to.reserve(self.head.len() + 34 + policy.len());
        to.extend_from_slice(&self.head);
        for byte in key.to_bits().to_be_bytes() {
            to.extend([byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]));
        }
        to.extend_from_slice(self.tail);
        to.extend_from_slice(policy.as_bytes());
    }
}

/// A policy's bucket of one key, in this process. A key has 122 random bits, so buckets of different
/// keys differ; those of one key differ by the names of their policies, hashed to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    low: u64,
    high: u64,
}

impl Bucket {
    #[expect(clippy::cast_possible_truncation, reason = "the halves, one after the other")]
    pub(super) fn new(policy: &str, key: Digest) -> Self {
        // FNV-1a. Operators choose the names, so nothing better is needed.
        let name = policy.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let bits = key.to_bits();
        Self { low: bits as u64 ^ name, high: (bits >> 64) as u64 }
    }

    /// A hash of the bucket: random, since the key's digest is.
    pub(super) const fn hash(self) -> u64 {
        self.high ^ self.low
    }
}

impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64((*self).hash());
    }
}

#[cfg(test)]
impl Names {
    pub(super) fn test() -> Self {
        Self { head: b"hardpoint:v1:limit:{".as_slice().into(), tail: b"}:" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_digest_as_its_tag_and_ends_with_the_policy() {
        let mut name = Vec::new();
        Names::test().write("log-in", Digest::from_bits(0xab << 6), &mut name);
        let expected = b"hardpoint:v1:limit:{00000000000000000000000000002ac0}:log-in";
        assert_eq!(name, expected);
    }

    #[tokio::test]
    async fn names_begin_as_the_links_schema_says() {
        let redis = Redis::builder("redis://127.0.0.1:1").prefix("shop").build().unwrap();
        let mut name = Vec::new();
        Names::new(&redis, None).write("t", Digest::from_bits(0), &mut name);
        let expected = redis.keys(&LIMITS).key(&"0".repeat(32), "t");
        assert_eq!(name, expected.as_bytes());
        let (mut name, together) = (Vec::new(), Names::new(&redis, Some("all")));
        together.write("t", Digest::from_bits(0), &mut name);
        let expected = redis.keys(&LIMITS).key("all", &format!("{}:t", "0".repeat(32)));
        assert_eq!(name, expected.as_bytes());
        assert!(together.are_together() && !Names::test().are_together());
    }
}
