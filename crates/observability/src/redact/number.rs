//! Numbers that are secret: those of cards, accounts of persons, telephones, and addresses. Pure.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use super::{
    Class,
    words::{begins_word, ends_word},
};

/// The most groups of digits that one number is written in, and the most digits of a card.
const GROUPS: usize = 12;
const CARD: std::ops::RangeInclusive<usize> = 12..=19;

/// Finds numbers of cards, social security numbers and telephone numbers.
pub(super) fn find(bytes: &[u8], add: &mut impl FnMut(Class, Option<Range<usize>>)) {
    let mut place = 0;
    while let Some(offset) =
        bytes.get(place..).and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        let start = place + offset;
        let groups = Groups::read(bytes, start);
        let groups = groups.as_slice();
        let end = groups.last().map_or(start + 1, |group| group.end);
        add(Class::Phone, phone(bytes, start, end));
        for three in groups.windows(3) {
            add(Class::Ssn, ssn(bytes, three).filter(|own| is_whole(bytes, own)));
        }
        add(Class::Card, card_in(bytes, groups));
        place = end.max(start + 1);
    }
}

/// Whether a number of any type is that of a card.
pub(super) fn is_card(number: u128) -> bool {
    let mut digits = [0_u8; 39];
    let (mut rest, mut length) = (number, 0);
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    digits.get(digits.len() - length..).is_some_and(is_card_number)
}

/// Groups of digits with one space or hyphen between them.
#[derive(Default)]
struct Groups {
    all: [Range<usize>; GROUPS],
    count: usize,
}

impl Groups {
    fn read(bytes: &[u8], start: usize) -> Self {
        let mut groups = Self::default();
        let mut begin = start;
        for group in &mut groups.all {
            let rest = bytes.get(begin..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            *group = begin..begin + length;
            groups.count += 1;
            let is_next = matches!(rest.get(length), Some(b' ' | b'-'))
                && rest.get(length + 1).is_some_and(u8::is_ascii_digit);
            if !is_next {
                break;
            }
            begin += length + 1;
        }
        groups
    }

    fn as_slice(&self) -> &[Range<usize>] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

/// Whether the digits are a word of their own, and not a part of another number.
fn is_whole(bytes: &[u8], own: &Range<usize>) -> bool {
    !is_decimal(bytes, own.start, own.end)
        && begins_word(bytes, own.start)
        && ends_word(bytes, own.end)
}

/// Whether the digits are part of a number with a fraction, or of an address.
fn is_decimal(bytes: &[u8], start: usize, end: usize) -> bool {
    let digit = |place: Option<usize>| {
        place.and_then(|place| bytes.get(place)).is_some_and(u8::is_ascii_digit)
    };
    let dot = |place: Option<usize>| place.and_then(|place| bytes.get(place)) == Some(&b'.');
    (dot(start.checked_sub(1)) && digit(start.checked_sub(2)))
        || (dot(Some(end)) && digit(Some(end + 1)))
}

/// The card among the groups: some of them in a row, each of a length that cards are written in.
fn card_in(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    for (index, first) in groups.iter().enumerate() {
        let (mut digits, mut count) = ([0; *CARD.end()], 0);
        for group in groups.get(index..)? {
            let text = bytes.get(group.clone())?;
            let is_alone = group == first && text.len() >= *CARD.start();
            let Some(room) = digits.get_mut(count..count + text.len()) else { break };
            if !is_alone && !(3..=7).contains(&text.len()) {
                break;
            }
            for (digit, byte) in room.iter_mut().zip(text) {
                *digit = byte - b'0';
            }
            count += text.len();
            let own = first.start..group.end;
            if digits.get(..count).is_some_and(is_card_number) && is_whole(bytes, &own) {
                return Some(own);
            }
        }
    }
    None
}

fn is_card_number(digits: &[u8]) -> bool {
    CARD.contains(&digits.len()) && is_of_issuer(digits) && luhn(digits)
}

/// Whether cards of this length begin like this (ISO/IEC 7812, as issuers use it).
fn is_of_issuer(digits: &[u8]) -> bool {
    let begin = digits.iter().take(4).fold(0_u32, |begin, digit| begin * 10 + u32::from(*digit));
    let length = digits.len();
    match begin {
        // Visa.
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard.
        2221..=2720 | 5100..=5599 => length == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club.
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        // JCB.
        3500..=3599 => (16..=19).contains(&length),
        // Discover.
        6011 | 6440..=6599 => (16..=19).contains(&length),
        // UnionPay.
        6200..=6299 | 8100..=8171 => (16..=19).contains(&length),
        // Maestro.
        604 | 5000..=5099 | 5600..=5899 | 6304 | 6390 | 6759..=6763 => (12..=19).contains(&length),
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Three digits, two and four with hyphens between them, which the administration issues.
fn ssn(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    let [area, group, serial] = groups else { return None };
    let hyphens = [area.end, group.end].iter().all(|place| bytes.get(*place) == Some(&b'-'));
    let text = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
    let (area_text, group_text, serial_text) = (text(area), text(group), text(serial));
    let lengths = (area_text.len(), group_text.len(), serial_text.len());
    let is_issued = !matches!(area_text, b"000" | b"666" | [b'9', ..])
        && group_text != b"00"
        && serial_text != b"0000";
    (hyphens && lengths == (3, 2, 4) && is_issued).then_some(area.start..serial.end)
}

/// A number of 8 to 15 digits behind `+` (ITU-T E.164), in groups with parentheses around one of them.
fn phone(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let plus = start.checked_sub(1).filter(|place| bytes.get(*place) == Some(&b'+'))?;
    let mut stop = end;
    while let Some(byte) = bytes.get(stop) {
        let goes_on = byte.is_ascii_digit()
            || (b" -().".contains(byte)
                && bytes
                    .get(stop + 1)
                    .is_some_and(|next| next.is_ascii_digit() || b"( )".contains(next)));
        if !goes_on {
            break;
        }
        stop += 1;
    }
    let digits = bytes.get(start..stop)?.iter().filter(|byte| byte.is_ascii_digit()).count();
    ((8..=15).contains(&digits) && ends_word(bytes, stop)).then_some(plus..stop)
}

/// Finds IPv4 and IPv6 addresses.
pub(super) fn addresses(text: &str, add: &mut impl FnMut(Class, Option<Range<usize>>)) {
    let is_part = |char: char| char.is_ascii_hexdigit() || matches!(char, '.' | ':');
    let mut place = 0;
    for word in text.split_inclusive(|char| !is_part(char)) {
        let part = word.trim_end_matches(|char| !is_part(char)).trim_end_matches(['.', ':']);
        // A name and a colon may precede the address, and a port may follow it.
        let behind = part.find(':').map_or(part.len(), |colon| colon + 1);
        for skipped in [0, behind] {
            let start = place + skipped;
            let length = address(part.get(skipped..).unwrap_or_default());
            let is_word = skipped > 0 || begins_word(text.as_bytes(), start);
            if let Some(length) = length.filter(|_| is_word) {
                add(Class::IpAddress, Some(start..start + length));
                break;
            }
        }
        place += word.len();
    }
}

/// The length of the address at the beginning of a text of hexadecimal digits, dots and colons.
fn address(part: &str) -> Option<usize> {
    let ipv4 = part.split(':').next().unwrap_or_default();
    if ipv4.parse::<Ipv4Addr>().is_ok() {
        return Some(ipv4.len());
    }
    (part.matches(':').count() >= 2 && part.parse::<Ipv6Addr>().is_ok()).then_some(part.len())
}
