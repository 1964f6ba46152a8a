//! Finding bytes in this process's own memory.

use std::{
    fs::File,
    hint::black_box,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

const MASK: u8 = 0x5A;

/// How much is read at a time.
const CHUNK: usize = 1 << 16;

/// How much is looked at together for the first byte.
const BLOCK: usize = 128;

/// Masks a needle. In a `const`, so that the plain bytes are in the compiler's memory alone:
///
/// ```
/// use hardpoint_testkit::leak::{mask, memory_contains, unmask};
///
/// const NEEDLE: [u8; 32] = mask(*b"memory canary 4c1f9a0be27d853f61");
///
/// # #[cfg(target_os = "linux")] {
/// let secret: Vec<u8> = unmask(&NEEDLE).collect();
/// assert!(memory_contains(&NEEDLE));
/// # drop(secret);
/// # }
/// ```
#[must_use]
pub const fn mask<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    let mut index = 0;
    while index < N {
        bytes[index] ^= MASK;
        index += 1;
    }
    bytes
}

/// The plain bytes, one by one: whoever collects them makes the only copy.
pub fn unmask(masked: &[u8]) -> impl Iterator<Item = u8> + '_ {
    masked.iter().map(|byte| byte ^ MASK)
}

/// Whether the bytes that `masked` stands for are anywhere in this process's writable memory.
///
/// The plain bytes are never made, and what was read is passed over and wiped, so that the search
/// does not find itself. One call runs at a time. Freed memory is looked at too, of which an allocator
/// overwrites the first bytes: use a needle of 32 bytes or more, and one of its own for each test.
///
/// Only where there is `/proc` (Linux); elsewhere it panics, since a guess would pass for proof.
#[must_use]
pub fn memory_contains(masked: &[u8]) -> bool {
    // Another call's buffer would be found.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    assert!(masked.len() >= 16, "a needle of {} bytes is found by chance", masked.len());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    match search(masked) {
        Ok(found) => found,
        Err(error) => panic!("this process's memory cannot be read: {error}"),
    }
}

fn search(masked: &[u8]) -> io::Result<bool> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let memory = File::open("/proc/self/mem")?;
    let mut buffer = vec![0; CHUNK];
    let own = buffer.as_ptr().addr();
    let own = own..own + buffer.len();
    let found = maps
        .lines()
        .filter_map(writable)
        .flat_map(|range| without(&range, &own))
        .any(|range| range_contains(&memory, range, &mut buffer, masked));
    buffer.fill(0);
    black_box(&buffer);
    Ok(found)
}

fn range_contains(memory: &File, range: Range<usize>, buffer: &mut [u8], masked: &[u8]) -> bool {
    let mut at = range.start;
    while at + masked.len() <= range.end {
        let wanted = buffer.len().min(range.end - at);
        let Some(part) = buffer.get_mut(..wanted) else {
            return false;
        };
        // A mapping that is gone or cannot be read, such as a device's, is passed over.
        let Ok(read) = memory.read_at(part, at as u64) else {
            return false;
        };
        if holds(part.get(..read).unwrap_or_default(), masked) {
            return true;
        }
        if read < masked.len() {
            return false;
        }
        // The needle may lie across the border.
        at += read - (masked.len() - 1);
    }
    false
}

/// Whether `bytes` hold what `masked` stands for, compared without ever making it.
fn holds(bytes: &[u8], masked: &[u8]) -> bool {
    let Some(first) = masked.first().map(|byte| byte ^ MASK) else {
        return false;
    };
    let starts_at = |rest: &[u8]| {
        let part = rest.get(..masked.len()).unwrap_or_default();
        part.len() == masked.len()
            && part.iter().zip(masked).all(|(ours, byte)| ours ^ MASK == *byte)
    };
    // A slice's `contains` is fast even where this crate is not optimised; most blocks are passed by.
    let blocks = bytes.chunks(BLOCK).enumerate();
    let candidates = blocks.filter(|(_, block)| block.contains(&first));
    candidates
        .flat_map(|(index, block)| index * BLOCK..index * BLOCK + block.len())
        .any(|start| bytes.get(start..).is_some_and(starts_at))
}

/// The addresses of a line of `/proc/self/maps`, if the mapping can be read and written.
fn writable(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split(' ');
    let (start, end) = fields.next()?.split_once('-')?;
    fields.next()?.starts_with("rw").then_some(())?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

/// What of `range` is not in `hole`.
fn without(range: &Range<usize>, hole: &Range<usize>) -> [Range<usize>; 2] {
    let clamp = |address: usize| address.clamp(range.start, range.end);
    [range.start..clamp(hole.start), clamp(hole.end)..range.end]
}
