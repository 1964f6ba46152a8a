//! Searches this process's memory for secrets.
//!
//! Each test has its own needle, larger than what an allocator writes into freed memory, and first
//! shows that the search finds it.

use std::hint::black_box;

use hardpoint_core::Secret;
use hardpoint_testkit::leak::{mask, memory_contains, unmask};

/// The bytes before the needle, which the allocator's metadata overwrites instead of the needle.
const PADDING: usize = 64;

/// A text that ends in the needle, in an allocation with spare capacity.
///
/// The search never requests an allocation of this size, which would overwrite the freed memory.
fn text(masked: &[u8]) -> String {
    let mut text = String::with_capacity(600);
    text.extend(std::iter::repeat_n('.', PADDING));
    text.extend(unmask(masked).map(char::from));
    text
}

#[test]
fn an_ordinary_string_stays_behind() {
    const NEEDLE: [u8; 32] = mask(*b"ordinary needle 3f1b6c09d27e8a54");
    assert!(!memory_contains(&NEEDLE));
    drop(black_box(text(&NEEDLE)));
    assert!(memory_contains(&NEEDLE), "otherwise the tests below prove nothing");
}

#[test]
fn a_secret_made_of_a_string_leaves_nothing_behind() {
    const NEEDLE: [u8; 32] = mask(*b"string needle e51c07da94b3f862 s");
    let secret = Secret::<str>::from(text(&NEEDLE));
    assert!(memory_contains(&NEEDLE));
    assert_eq!(secret.expose().len(), PADDING + NEEDLE.len());
    drop(black_box(secret));
    assert!(!memory_contains(&NEEDLE));
}

#[test]
fn spare_capacity_is_wiped_too() {
    const NEEDLE: [u8; 32] = mask(*b"spare needle 70b2e9c4d8153fa6 sp");
    let mut source = text(&NEEDLE);
    // Truncating leaves the old end of the text in the spare capacity.
    source.truncate(PADDING / 2);
    assert!(memory_contains(&NEEDLE));
    let secret = Secret::<str>::from(source);
    assert!(!memory_contains(&NEEDLE), "the secret does not copy the old end");
    drop(secret);
}

#[test]
fn a_secret_made_of_a_vector_leaves_nothing_behind() {
    const NEEDLE: [u8; 32] = mask(*b"vector needle 19d4f7a0c62e8b35 v");
    let secret = Secret::<[u8]>::from(text(&NEEDLE).into_bytes());
    assert!(memory_contains(&NEEDLE));
    drop(black_box(secret));
    assert!(!memory_contains(&NEEDLE));
}

#[test]
fn a_key_filled_in_place_leaves_nothing_behind() {
    const NEEDLE: [u8; 32] = mask(*b"filled needle a80c3d5be1946f72 f");
    let fill = |failing: bool| {
        Secret::<[u8; 128]>::from_fill(|key| {
            let place = key.iter_mut().skip(PADDING);
            place.zip(unmask(&NEEDLE)).for_each(|(to, from)| *to = from);
            if failing { Err(()) } else { Ok(()) }
        })
    };
    let key = fill(false);
    assert!(memory_contains(&NEEDLE));
    drop(black_box(key));
    assert!(!memory_contains(&NEEDLE));
    assert!(black_box(fill(true)).is_err());
    assert!(!memory_contains(&NEEDLE), "a half-written key is wiped");
}

#[test]
fn the_last_owner_of_a_shared_secret_wipes_it() {
    const NEEDLE: [u8; 32] = mask(*b"shared needle 5e92b0d1f7ac4863 s");
    let first = Secret::<str>::from(text(&NEEDLE)).into_shared();
    let second = std::sync::Arc::clone(&first);
    drop(first);
    assert!(memory_contains(&NEEDLE));
    drop(black_box(second));
    assert!(!memory_contains(&NEEDLE));
}

#[cfg(feature = "serde")]
mod deserialised {
    use super::*;

    #[test]
    fn a_string_leaves_nothing_behind() {
        const NEEDLE: [u8; 32] = mask(*b"serde needle c47f1e08b69d3a52 se");
        let mut json = text(&NEEDLE).into_bytes();
        json.insert(0, b'"');
        json.push(b'"');
        let secret: Secret<str> = serde_json::from_slice(&json).unwrap();
        json.fill(0);
        assert!(memory_contains(&NEEDLE));
        assert_eq!(secret.expose().len(), PADDING + NEEDLE.len());
        drop(black_box((secret, json)));
        assert!(!memory_contains(&NEEDLE));
    }

    /// Frees a block of each size that a growing vector requests, between blocks that stay
    /// allocated. Each growth therefore moves the vector and returns the smaller block to the
    /// allocator.
    fn fragmented() -> Vec<Vec<u8>> {
        let sizes = [8, 16, 32, 64, 128, 256];
        let blocks = sizes.iter().flat_map(|&size| [size; 3].map(Vec::<u8>::with_capacity));
        let mut blocks: Vec<_> = blocks.collect();
        let mut place = 0;
        blocks.retain(|_| {
            place += 1;
            place % 3 != 2
        });
        blocks
    }

    #[test]
    fn bytes_leave_nothing_behind_however_the_buffer_grew() {
        const NEEDLE: [u8; 32] = mask(*b"bytes needle 06d8a3e5f14b7c92 by");
        let before = std::iter::repeat_n(b'.', 20);
        let bytes = before.chain(unmask(&NEEDLE)).chain([b'.'; 200]);
        let numbers: Vec<_> = bytes.map(|byte| byte.to_string()).collect();
        let mut json = format!("[{}]", numbers.join(",")).into_bytes();
        let blocks = fragmented();
        let secret: Secret<[u8]> = serde_json::from_slice(&json).unwrap();
        drop(blocks);
        json.fill(0);
        assert!(memory_contains(&NEEDLE));
        drop(black_box((secret, json)));
        assert!(!memory_contains(&NEEDLE));
    }
}
