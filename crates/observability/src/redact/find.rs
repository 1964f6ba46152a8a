//! Finds secret and personal data in texts. Pure.
//!
//! A text is searched once for the beginnings of all patterns, and its digits are counted. Only where
//! one is found does the rest of the pattern decide.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::AhoCorasick;

use super::{Class, account, names::Names, number, seen::Seen};

/// Data that was found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) class: Class,
    pub(super) range: Range<usize>,
}

/// What the beginning of a pattern announces.
#[derive(Clone, Copy)]
enum Begin {
    Assignment,
    Basic,
    Bearer,
    HeaderLine,
    Jwt,
    Key { least: usize },
    Mail,
    Member,
    Pem,
    Url,
}

const fn key(prefix: &'static str, least: usize) -> (&'static str, Begin) {
    (prefix, Begin::Key { least })
}

/// The texts of the beginnings.
pub(super) const TEXTS: [&str; BEGINS.len()] = {
    let mut texts = [""; BEGINS.len()];
    let mut place = 0;
    while place < texts.len() {
        texts[place] = BEGINS[place].0;
        place += 1;
    }
    texts
};

/// The beginnings, and how many characters follow that of a key at least.
const BEGINS: [(&str, Begin); 37] = [
    ("=", Begin::Assignment),
    ("Basic ", Begin::Basic),
    ("basic ", Begin::Basic),
    ("Bearer ", Begin::Bearer),
    ("bearer ", Begin::Bearer),
    ("BEARER ", Begin::Bearer),
    (": ", Begin::HeaderLine),
    ("eyJ", Begin::Jwt),
    ("@", Begin::Mail),
    ("\":", Begin::Member),
    ("-----BEGIN ", Begin::Pem),
    ("://", Begin::Url),
    // Amazon Web Services.
    key("AKIA", 16),
    key("ASIA", 16),
    // GitHub, GitLab.
    key("ghp_", 30),
    key("gho_", 30),
    key("ghu_", 30),
    key("ghs_", 30),
    key("ghr_", 30),
    key("github_pat_", 40),
    key("glpat-", 20),
    // Google.
    key("AIza", 35),
    key("ya29.", 20),
    // Slack.
    key("xoxb-", 20),
    key("xoxp-", 20),
    key("xoxa-", 20),
    key("xoxs-", 20),
    // Stripe.
    key("sk_live_", 20),
    key("sk_test_", 20),
    key("rk_live_", 20),
    // npm, PyPI, DigitalOcean.
    key("npm_", 30),
    key("pypi-", 50),
    key("dop_v1_", 40),
    // OpenAI, Anthropic.
    key("sk-proj-", 20),
    key("sk-ant-", 20),
    // SendGrid.
    key("SG.", 40),
    // Refresh tokens of hardpoint.
    key("hrt_", 40),
];

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
                Begin::Assignment => (Class::Credential, assignment(bytes, start, names)),
                Begin::Basic => (Class::Credential, basic(bytes, end)),
                Begin::Bearer => (Class::Credential, bearer(bytes, end)),
                Begin::HeaderLine => (Class::Credential, header_line(bytes, start, names)),
                Begin::Jwt => (Class::Jwt, jwt(bytes, start)),
                Begin::Key { least } => (Class::CloudKey, cloud_key(bytes, start, end, *least)),
                Begin::Mail => (Class::Email, email(bytes, start)),
                Begin::Member => (Class::Credential, member(bytes, start, end, names)),
                Begin::Pem => (Class::PrivateKey, pem(text, start)),
                Begin::Url => (Class::UrlCredential, url(bytes, end)),
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

/// Whether a word may begin here. A line break that was escaped as `\n` ends a word, too.
pub(super) fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).and_then(|place| bytes.get(place));
    match before(1) {
        None => true,
        Some(b'n' | b'r' | b't') if before(2) == Some(&b'\\') => true,
        Some(byte) if byte.is_ascii_hexdigit() && before(6) == Some(&b'\\') => {
            before(5) == Some(&b'u')
        }
        Some(byte) => !is_word(*byte),
    }
}

/// Whether a word ends before this place.
pub(super) fn ends_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_none_or(|byte| !is_word(*byte))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The end of the run of such bytes from `start`.
fn run(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len())
}

/// The beginning of the run of such bytes before `end`.
fn run_back(bytes: &[u8], end: usize, is: impl Fn(u8) -> bool) -> usize {
    let before = bytes.get(..end).unwrap_or_default();
    before.iter().rposition(|byte| !is(*byte)).map_or(0, |place| place + 1)
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Three parts of base64url, of which the first two begin like objects; or five parts, if encrypted.
fn jwt(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if !begins_word(bytes, start) {
        return None;
    }
    let first = run(bytes, start, is_base64url);
    let mut end = first;
    let mut dots = 0;
    while bytes.get(end) == Some(&b'.') && dots < 4 {
        end = run(bytes, end + 1, is_base64url);
        dots += 1;
    }
    (first - start >= 10 && dots >= 2).then_some(start..end)
}

/// A token of RFC 6750. A single word of letters is one of a sentence.
fn bearer(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let end = run(bytes, run(bytes, start, is), |byte| byte == b'=');
    let token = bytes.get(start..end)?;
    let is_token = token.len() >= 20 || token.iter().any(u8::is_ascii_digit);
    (token.len() >= 8 && is_token).then_some(start..end)
}

/// Base64 of a user and a password with a colon between them (RFC 7617).
fn basic(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let end = run(bytes, run(bytes, start, is), |byte| byte == b'=');
    let text = bytes.get(start..end)?;
    let digit = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let has_colon = text.chunks(4).any(|group| {
        let bits = group.iter().filter_map(digit).fold(0, |bits, digit| bits << 6 | digit);
        let bits = bits << (6 * (4 - group.iter().filter_map(digit).count()));
        bits.to_be_bytes().contains(&b':')
    });
    (text.len() >= 4 && has_colon).then_some(start..end)
}

/// What follows the name of a secret field and `=`.
fn assignment(bytes: &[u8], equals: usize, names: &Names) -> Option<Range<usize>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    // Some formats of configuration have spaces around it.
    let is_blank = |byte: u8| byte == b' ';
    let end = run_back(bytes, equals, is_blank);
    let start = run_back(bytes, end, is_name);
    is_secret(bytes, start..end, names).then(|| value(bytes, run(bytes, equals + 1, is_blank)))?
}

/// What follows the name of a secret member of an object, whose closing quote is at `start`.
fn member(bytes: &[u8], start: usize, end: usize, names: &Names) -> Option<Range<usize>> {
    // Within a string of a log line the quotes are escaped.
    let close = if bytes.get(start.checked_sub(1)?) == Some(&b'\\') { start - 1 } else { start };
    let open = run_back(bytes, close, |byte| byte != b'"');
    let name = open..close;
    let value_at = run(bytes, end, |byte| byte == b' ');
    is_secret(bytes, name, names).then(|| value(bytes, value_at))?
}

/// What follows the name of a secret header and `: `, or of a field as `Debug` writes it. Single words
/// before anything but a string are left to sentences, except for the names of headers that are single
/// words.
fn header_line(bytes: &[u8], colon: usize, names: &Names) -> Option<Range<usize>> {
    const SINGLE: [&[u8]; 2] = [b"authorization", b"cookie"];

    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let start = run_back(bytes, colon, is_name);
    if !is_secret(bytes, start..colon, names) {
        return None;
    }
    let behind = colon + 2;
    let is_some = bytes.get(behind..)?.starts_with(b"Some(");
    let field = behind + if is_some { b"Some(".len() } else { 0 };
    if matches!(bytes.get(field..)?, [b'"', ..] | [b'\\', b'"', ..]) {
        return value(bytes, field);
    }
    let name = bytes.get(start..colon)?;
    let is_header = name.iter().any(|byte| matches!(byte, b'-' | b'_'))
        || SINGLE.iter().any(|single| name.eq_ignore_ascii_case(single));
    let end = run(bytes, behind, |byte| !matches!(byte, b'\n' | b'\r' | b'"' | b'\\'));
    (is_header && end > behind).then_some(behind..end)
}

fn is_secret(bytes: &[u8], name: Range<usize>, names: &Names) -> bool {
    const LONGEST: usize = 64;

    let name = bytes.get(name).filter(|name| (2..=LONGEST).contains(&name.len()));
    name.and_then(|name| std::str::from_utf8(name).ok()).is_some_and(|name| names.are_secret(name))
}

/// The value at `start`: a string up to its closing quote, or a word.
fn value(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let (begin, end) = match bytes.get(start..)? {
        // Within a string of a log line, each quote and each backslash has a backslash before it.
        [b'\\', b'"', ..] => {
            let end = closing(bytes, start + 2, |slashes| slashes % 4 == 1)?;
            // Only a closing quote has a backslash before it.
            (start + 2, if end < bytes.len() { end - 1 } else { end })
        }
        [b'[', ..] => (start + 1, run(bytes, start + 1, |byte| byte != b']')),
        [b'"', ..] => (start + 1, closing(bytes, start + 1, |slashes| slashes % 2 == 0)?),
        [b'\'', ..] => (start + 1, run(bytes, start + 1, |byte| byte != b'\'')),
        _ => {
            let ends = |byte: u8| byte.is_ascii_whitespace() || b"&;,)}]\"'\\<>".contains(&byte);
            (start, run(bytes, start, |byte| !ends(byte)))
        }
    };
    (end > begin).then_some(begin..end)
}

/// The quote that closes a string, by the number of backslashes before it; the end of an unclosed one.
fn closing(bytes: &[u8], start: usize, closes: impl Fn(usize) -> bool) -> Option<usize> {
    let mut slashes = 0;
    for (place, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'\\' => slashes += 1,
            b'"' if closes(slashes) => return Some(place),
            _ => slashes = 0,
        }
    }
    (bytes.len() > start).then_some(bytes.len())
}

/// The local part before an `@`, and the domain behind it.
fn email(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let is_local =
        |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte) || !byte.is_ascii();
    let is_domain =
        |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte) || !byte.is_ascii();
    let mut start = run_back(bytes, at, is_local);
    let escaped = start.checked_sub(1).and_then(|place| bytes.get(place)) == Some(&b'\\');
    if escaped {
        start += match bytes.get(start) {
            Some(b'n' | b'r' | b't') => 1,
            Some(b'u') => 5,
            _ => 0,
        };
    }
    start = run(bytes, start, |byte| byte == b'.').min(at);
    let mut end = run(bytes, at + 1, is_domain);
    while matches!(bytes.get(end.checked_sub(1)?), Some(b'.' | b'-')) {
        end -= 1;
    }
    let domain = bytes.get(at + 1..end)?;
    let top = domain.rsplit(|byte| *byte == b'.').next()?;
    let is_name = top.len() >= 2 && !top.iter().any(u8::is_ascii_digit);
    (start < at && domain.contains(&b'.') && !domain.starts_with(b".") && is_name)
        .then_some(start..end)
}

/// The user and the password between `://` and `@`.
fn url(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let is_authority = |byte: u8| !byte.is_ascii_whitespace() && !b"/?#\"'<>\\".contains(&byte);
    let end = run(bytes, start, is_authority);
    let at = bytes.get(start..end)?.iter().rposition(|byte| *byte == b'@')?;
    (at > 0).then_some(start..start + at)
}

/// A private key in PEM, to its end, or to that of the text or of the string that it is in.
fn pem(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let rest = rest.split_once('"').map_or(rest, |(string, _)| string.trim_end_matches('\\'));
    let (label, _) = rest.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    if !label.ends_with("PRIVATE KEY") || label.len() > 40 {
        return None;
    }
    let end = rest.find("-----END ").and_then(|begin| {
        let behind = begin + "-----END ".len();
        Some(behind + rest.get(behind..)?.find("-----")? + "-----".len())
    });
    Some(start..start + end.unwrap_or(rest.len()))
}

/// The rest of a key behind its beginning.
fn cloud_key(bytes: &[u8], start: usize, end: usize, least: usize) -> Option<Range<usize>> {
    let is = |byte: u8| is_base64url(byte) || byte == b'.';
    let stop = run(bytes, end, is);
    (begins_word(bytes, start) && stop - end >= least).then_some(start..stop)
}
