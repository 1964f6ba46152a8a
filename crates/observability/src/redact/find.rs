//! Finds secret and personal data in texts. Pure.
//!
//! A text is searched once for the beginnings of all patterns, and its digits are counted. Only where
//! one is found does the rest of the pattern decide.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::AhoCorasick;

use super::{
    Class, account,
    beginnings::{BEGINS, Begin, TEXTS},
    field,
    names::Names,
    number, pattern,
    seen::Seen,
};

/// Data that was found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) class: Class,
    pub(super) range: Range<usize>,
}

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(TEXTS).ok());

/// The fewest digits of any pattern that consists of digits, and the shortest text of any.
const DIGITS: usize = 9;
const SHORTEST: usize = 5;

/// Adds what is found in `text`, in order and without overlaps.
pub(super) fn find(text: &str, names: &Names, is_on: impl Fn(Class) -> bool, all: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST {
        return;
    }
    let mut add = |class: Class, range: Option<Range<usize>>| {
        if let Some(range) = range.filter(|_| is_on(class)) {
            all.push(Found { class, range });
        }
    };
    let seen = Seen::in_text(bytes);
    if seen.may_begin()
        && let Some(search) = &*SEARCH
    {
        for hit in search.find_iter(bytes) {
            let Some((_, begin)) = BEGINS.get(hit.pattern().as_usize()) else { continue };
            let (start, end) = (hit.start(), hit.end());
            let (class, range) = match begin {
                Begin::Assignment => (Class::Credential, field::assignment(bytes, start, names)),
                Begin::Basic => (Class::Credential, pattern::basic(bytes, end)),
                Begin::Bearer => (Class::Credential, pattern::bearer(bytes, end)),
                Begin::HeaderLine => (Class::Credential, field::header_line(bytes, start, names)),
                Begin::Jwt => (Class::Jwt, pattern::jwt(bytes, start)),
                Begin::Key { least } => {
                    (Class::CloudKey, pattern::cloud_key(bytes, start, end, *least))
                }
                Begin::Mail => (Class::Email, pattern::email(bytes, start)),
                Begin::Member => (Class::Credential, field::member(bytes, start, end, names)),
                Begin::Pem => (Class::PrivateKey, pattern::pem(text, start)),
                Begin::Url => (Class::UrlCredential, pattern::url(bytes, end)),
            };
            add(class, range);
        }
    }
    let may_count = seen.digits() >= DIGITS || seen.may_be_account();
    let (digits, is_account) = if may_count { digits(bytes) } else { (0, false) };
    // The groups of a telephone number are written in many ways.
    let is_phone = || is_on(Class::Phone) && bytes.contains(&b'+');
    if digits >= DIGITS || is_phone() {
        number::find(bytes, &mut add);
    }
    if is_account {
        account::find(bytes, &mut add);
    }
    if is_on(Class::IpAddress) {
        number::addresses(text, &mut add);
    }
    if all.len() > 1 {
        all.sort_by_key(|found| (found.range.start, usize::MAX - found.range.end));
        let mut end = 0;
        all.retain(|found| {
            let is_new = found.range.start >= end;
            if is_new {
                end = found.range.end;
            }
            is_new
        });
    }
}

/// The most digits in a row, with at most one space or hyphen between two of them; and whether two
/// capitals are followed by two digits, as in an account number.
fn digits(bytes: &[u8]) -> (usize, bool) {
    let (mut most, mut here, mut gap, mut capitals, mut is_account) = (0, 0, 0, 0, false);
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                here += 1;
                gap = 0;
                most = most.max(here);
                is_account |= capitals == 3;
                capitals = if capitals == 2 { 3 } else { 0 };
            }
            b' ' | b'-' if gap == 0 => (gap, capitals) = (1, 0),
            b'A'..=b'Z' => (here, gap, capitals) = (0, 0, if capitals == 1 { 2 } else { 1 }),
            _ => (here, gap, capitals) = (0, 0, 0),
        }
    }
    (most, is_account)
}
