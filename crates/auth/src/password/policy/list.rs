//! A set of passwords as sorted, shortened digests.

use std::io::{self, BufRead, Read};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use super::{PasswordPolicy, shape};

/// A list of passwords that the policy rejects. Clones share it.
///
/// It stores the first 5 to 8 bytes of the SHA-256 digest of each password, sorted: a lookup is a binary
/// search, never misses a listed password, and takes an unlisted one for a listed one with the
/// probability [`false_positive_rate`](Self::false_positive_rate), which is at most 10⁻⁶.
///
/// ```
/// use hardpoint_auth::password::{PasswordList, PasswordPolicy};
/// use hardpoint_core::Secret;
///
/// let names_of_our_products = PasswordList::from_lines(&b"rocket-skates-2000\ntornado-seeds!!\n"[..])?;
/// let policy = PasswordPolicy::default().add_list(names_of_our_products);
/// assert!(policy.check(&Secret::from("Rocket-Skates-2000"), &[]).is_err());
/// # Ok::<(), hardpoint_auth::password::PasswordListError>(())
/// ```
#[derive(Clone)]
pub struct PasswordList {
    /// The digests, `width` bytes each, in ascending order.
    digests: Bytes,
    width: usize,
}

/// What a file begins with; the byte after it is the width.
const MAGIC: &[u8] = b"HPLIST1";
/// The magic and the width.
const HEADER: usize = MAGIC.len() + 1;
const NARROWEST: usize = 5;
const WIDEST: usize = 8;
const MOST_FALSE_POSITIVES: f64 = 1e-6;

impl PasswordList {
    /// The most passwords in a list. 64 million take 400 MiB while they are read, and 384 MB after that.
    pub const MAX_LEN: usize = 64_000_000;

    /// The 19,640 passwords of Django's list, in 98 KB of the program: the commonest ones in public
    /// leaks, in lower case. `scripts/lib/common_passwords.py` makes it from the Django package, under
    /// whose licence (BSD-3-Clause) the list is distributed. False-positive rate: 1.8 × 10⁻⁸.
    #[must_use]
    pub fn common() -> Self {
        let file = include_bytes!("common.bin");
        Self { digests: Bytes::from_static(file).split_off(HEADER), width: NARROWEST }
    }

    /// Reads a list with one password a line, in UTF-8. Upper and lower case are the same. Skips empty
    /// lines, lines that are not UTF-8, and lines longer than [`PasswordPolicy::MAX_BYTES`].
    ///
    /// Takes about a second and 8 MB of memory for each million of passwords. Do this at start, or once
    /// to make a file of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`PasswordListError::Read`] if the reader fails, [`PasswordListError::TooLong`] after
    /// [`MAX_LEN`](Self::MAX_LEN) passwords.
    pub fn from_lines(mut lines: impl BufRead) -> Result<Self, PasswordListError> {
        let (mut found, mut line) = (Vec::new(), Vec::new());
        while next_line(&mut lines, &mut line)? {
            let Ok(text) = std::str::from_utf8(&line) else { continue };
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() || text.len() > PasswordPolicy::MAX_BYTES {
                continue;
            }
            if found.len() >= Self::MAX_LEN {
                return Err(PasswordListError::TooLong);
            }
            found.push(whole(&shape::fold(text)));
        }
        found.sort_unstable();
        found.dedup();
        let width = width_for(found.len());
        let digests = found.iter().flat_map(|digest| digest.to_be_bytes().into_iter().take(width));
        Ok(Self { digests: digests.collect(), width })
    }

    /// Reads the result of [`to_bytes`](Self::to_bytes), in no time and without a copy.
    ///
    /// # Errors
    /// [`PasswordListError::Malformed`] if these bytes are something else, are out of order, or have more
    /// false positives than one in a million.
    pub fn from_bytes(file: impl Into<Bytes>) -> Result<Self, PasswordListError> {
        let mut file = file.into();
        let header = file.get(..HEADER).ok_or(PasswordListError::Malformed)?;
        let width = match header.split_last() {
            Some((width, MAGIC)) => usize::from(*width),
            _ => return Err(PasswordListError::Malformed),
        };
        let digests = file.split_off(HEADER);
        let is_whole = (NARROWEST..=WIDEST).contains(&width) && digests.len() % width == 0;
        let list = Self { digests, width };
        let is_sorted = is_whole && list.digests.chunks_exact(width).is_sorted();
        if !is_sorted || list.false_positive_rate() > MOST_FALSE_POSITIVES {
            return Err(PasswordListError::Malformed);
        }
        Ok(list)
    }

    /// The list as a file: `HPLIST1`, a byte with the width, and the digests. It cannot be turned
    /// back into passwords, but its reader can check guesses: treat it as public.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // The width is at most 8.
        let width = u8::try_from(self.width).unwrap_or(u8::MAX);
        [MAGIC, &[width], &self.digests].concat()
    }

    /// The number of passwords.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len() / self.width
    }

    /// Whether the list has no password.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// The probability that a lookup finds a text that is not listed. The policy makes at most 18 lookups
    /// for one password.
    #[must_use]
    pub fn false_positive_rate(&self) -> f64 {
        false_positive_rate(self.len(), self.width)
    }

    /// Whether the list has this text, which is folded already.
    pub(super) fn contains(&self, folded: &str) -> bool {
        let digest = whole(folded).to_be_bytes();
        let wanted = digest.get(..self.width).unwrap_or(&digest);
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.digests.get(middle * self.width..(middle + 1) * self.width);
            match found.unwrap_or_default().cmp(wanted) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }
}

debug_only!(PasswordList { width });

/// The first eight bytes of a text's digest, as a number that sorts like them.
fn whole(text: &str) -> u64 {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(WIDEST).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The fewest bytes that a list of this length may keep.
fn width_for(len: usize) -> usize {
    let fits = |width: &usize| false_positive_rate(len, *width) <= MOST_FALSE_POSITIVES;
    (NARROWEST..WIDEST).find(fits).unwrap_or(WIDEST)
}

#[expect(clippy::cast_precision_loss, reason = "a probability need not be exact")]
fn false_positive_rate(len: usize, width: usize) -> f64 {
    len as f64 / f64::powi(256.0, i32::try_from(width).unwrap_or(i32::MAX))
}

/// Reads one line into `line`, and of a longer one as much as shows that it is too long.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    // A line break has at most two bytes.
    const MOST: usize = PasswordPolicy::MAX_BYTES + 3;

    line.clear();
    let read = lines.by_ref().take(MOST as u64).read_until(b'\n', line)?;
    if read == MOST && !line.ends_with(b"\n") {
        lines.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

/// A list of passwords cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordListError {
    /// The bytes are not such a list.
    #[error("the bytes are not a password list; write what PasswordList::to_bytes() returned")]
    Malformed,
    /// The reader failed.
    #[error("the password list cannot be read")]
    Read(#[from] io::Error),
    /// It has too many passwords.
    #[error(
        "the password list has more than {} passwords; keep the commonest",
        PasswordList::MAX_LEN
    )]
    TooLong,
}
