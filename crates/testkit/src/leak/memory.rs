//! Finds bytes in the memory of this process.

use std::{
    fs::File,
    hint::black_box,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Mutex, PoisonError},
};

const MASK: u8 = 0x5A;

/// The number of bytes per read.
const CHUNK: usize = 1 << 16;

/// The number of bytes to search at once for the first byte of the needle.
const BLOCK: usize = 128;

/// Masks a needle. Use it in a `const`, so that only the compiler's memory contains the plain
/// bytes:
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

/// Returns the plain bytes one by one. A collected copy is the only one.
pub fn unmask(masked: &[u8]) -> impl Iterator<Item = u8> + '_ {
    masked.iter().map(|byte| byte ^ MASK)
}

/// Returns whether the writable memory of this process contains the unmasked bytes of `masked`.
///
/// The search does not find itself: it never creates the plain bytes, skips its own buffer and
/// wipes it. Calls run one at a time. The search includes freed memory, whose first bytes an
/// allocator overwrites: use a needle of 32 bytes or more, and a different one for each test.
///
/// Works only with `/proc` (Linux). Elsewhere it panics, since a guess could be mistaken for proof.
#[must_use]
pub fn memory_contains(masked: &[u8]) -> bool {
    // A call would find the buffer of another one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    assert!(masked.len() >= 16, "a needle of {} bytes can match by chance", masked.len());
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
        // Skip a mapping that is gone or unreadable, such as that of a device.
        let Ok(read) = memory.read_at(part, at as u64) else {
            return false;
        };
        if holds(part.get(..read).unwrap_or_default(), masked) {
            return true;
        }
        if read < masked.len() {
            return false;
        }
        // The needle may cross the border between two reads.
        at += read - (masked.len() - 1);
    }
    false
}

/// Whether `bytes` contains the unmasked bytes of `masked`, without creating them.
fn holds(bytes: &[u8], masked: &[u8]) -> bool {
    let Some(first) = masked.first().map(|byte| byte ^ MASK) else {
        return false;
    };
    let starts_at = |rest: &[u8]| {
        let part = rest.get(..masked.len()).unwrap_or_default();
        part.len() == masked.len()
            && part.iter().zip(masked).all(|(ours, byte)| ours ^ MASK == *byte)
    };
    // `contains` of a slice is fast even if this crate is not optimised, and it skips most blocks.
    let blocks = bytes.chunks(BLOCK).enumerate();
    let candidates = blocks.filter(|(_, block)| block.contains(&first));
    candidates
        .flat_map(|(index, block)| index * BLOCK..index * BLOCK + block.len())
        .any(|start| bytes.get(start..).is_some_and(starts_at))
}

/// The address range of a line of `/proc/self/maps`, if the mapping is readable and writable.
fn writable(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split(' ');
    let (start, end) = fields.next()?.split_once('-')?;
    fields.next()?.starts_with("rw").then_some(())?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

/// The parts of `range` outside of `hole`.
fn without(range: &Range<usize>, hole: &Range<usize>) -> [Range<usize>; 2] {
    let clamp = |address: usize| address.clamp(range.start, range.end);
    [range.start..clamp(hole.start), clamp(hole.end)..range.end]
}
