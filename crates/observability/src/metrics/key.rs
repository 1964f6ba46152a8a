//! The label values of a series as one key to look it up by. Pure.

/// A longer label value is cut after this many bytes.
const MAX_VALUE: usize = 128;

/// Ends a value in a key. It is not in UTF-8, so that values cannot run into each other.
pub(super) const END: u8 = 0xff;

/// The label values of a series, in a form that is looked up. Short ones need no allocation.
pub(super) struct Key {
    inline: [u8; Self::INLINE],
    len: usize,
    /// All of a longer key.
    heap: Vec<u8>,
}

impl Key {
    const INLINE: usize = 96;

    #[inline]
    pub(super) const fn new() -> Self {
        Self { inline: [0; Self::INLINE], len: 0, heap: Vec::new() }
    }

    /// Adds a value, which is cut if it is too long.
    #[inline]
    pub(super) fn add(&mut self, value: &str) {
        self.push(cut(value).as_bytes());
        self.push(&[END]);
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        if let Some(free) = self.inline.get_mut(self.len..self.len + bytes.len()) {
            free.copy_from_slice(bytes);
            self.len += bytes.len();
            return;
        }
        if self.heap.is_empty() {
            self.heap.extend_from_slice(self.inline.get(..self.len).unwrap_or_default());
            // Nothing fits any more.
            self.len = Self::INLINE;
        }
        self.heap.extend_from_slice(bytes);
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        if self.heap.is_empty() {
            self.inline.get(..self.len).unwrap_or_default()
        } else {
            &self.heap
        }
    }
}

/// Calls `add` with each value of a key.
pub(super) fn decode(key: &[u8], add: &mut dyn FnMut(&str)) {
    for value in key.split(|byte| *byte == END) {
        add(std::str::from_utf8(value).unwrap_or_default());
    }
}

/// Picks the set of a key, by its length and up to four of its words: in a long key the rest does
/// not count. Keys that collide, also on purpose, only displace each other in one set.
#[inline]
pub(super) fn hash(seed: u64, key: &[u8]) -> u64 {
    let word = |from: usize| {
        let word = key.get(from..).and_then(<[u8]>::first_chunk);
        word.map_or(0, |word| u64::from_le_bytes(*word))
    };
    let len = key.len();
    if len < 8 {
        let mut short = [0; 8];
        for (to, from) in short.iter_mut().zip(key) {
            *to = *from;
        }
        return fold(seed ^ len as u64, u64::from_le_bytes(short));
    }
    let ends = fold(word(0) ^ seed, word(len - 8) ^ len as u64);
    if len <= 16 {
        return ends;
    }
    fold(word(len / 2 - 8) ^ ends, word(len / 2))
}

/// Mixes two words: both halves of their product, with odd constants against zeros.
#[inline]
fn fold(first: u64, second: u64) -> u64 {
    const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

    let product = u128::from(first ^ ODD[0]) * u128::from(second ^ ODD[1]);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

#[inline]
fn cut(value: &str) -> &str {
    value.get(..value.floor_char_boundary(MAX_VALUE)).unwrap_or_default()
}
