//! The characters that a text has, in one pass. Pure.
//!
//! A text that lacks a character of a pattern's beginning does not contain the pattern, and nearly
//! every logged text lacks one for each pattern. The pass takes half the time of a search.

use super::beginnings::TEXTS;

/// The characters of a text that matter to the patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// A bit for each character of the beginnings, [`CAPITAL`] and [`DIGIT`].
    marks: u64,
    digits: usize,
}

const DIGIT: u64 = 1 << 63;
const CAPITAL: u64 = 1 << 62;

/// The marks of each byte.
static MARKS: [u64; 256] = marks();

/// The marks of each beginning.
static NEEDS: [u64; TEXTS.len()] = {
    let marks = marks();
    let mut needs = [0; TEXTS.len()];
    let mut place = 0;
    while place < needs.len() {
        needs[place] = all_of(TEXTS[place], &marks);
        place += 1;
    }
    needs
};

/// Nearly every beginning contains one of these characters; most words contain none.
const RARE: u64 = all_of("=:@_-AJBb", &marks()) & !CAPITAL;

/// The marks of the other beginnings.
static OTHERS: [u64; 2] = {
    let marks = marks();
    let (mut others, mut found, mut place) = ([0; 2], 0, 0);
    while place < TEXTS.len() {
        let need = all_of(TEXTS[place], &marks);
        if need & RARE == 0 {
            others[found] = need;
            found += 1;
        }
        place += 1;
    }
    assert!(found == others.len());
    others
};

impl Seen {
    pub(super) fn in_text(text: &[u8]) -> Self {
        let (mut marks, mut digits) = (0, 0);
        for byte in text {
            let own = MARKS[usize::from(*byte)];
            marks |= own;
            digits += usize::from(own >= DIGIT);
        }
        Self { marks, digits }
    }

    /// How many digits the text has.
    pub(super) const fn digits(self) -> usize {
        self.digits
    }

    /// Whether a pattern may begin in the text.
    pub(super) fn may_begin(self) -> bool {
        let needs: &[u64] = if self.marks & RARE == 0 { &OTHERS } else { &NEEDS };
        needs.iter().any(|need| need & !self.marks == 0)
    }

    /// Whether the text may have two capitals before two digits.
    pub(super) const fn may_be_account(self) -> bool {
        self.marks & CAPITAL != 0 && self.digits >= 2
    }
}

const fn marks() -> [u64; 256] {
    let mut marks = [0; 256];
    let (mut next, mut place) = (0, 0);
    while place < TEXTS.len() {
        let text = TEXTS[place].as_bytes();
        let mut at = 0;
        while at < text.len() {
            let mark = &mut marks[text[at] as usize];
            if *mark == 0 {
                *mark = 1 << next;
                next += 1;
            }
            at += 1;
        }
        place += 1;
    }
    assert!(next <= 62, "more characters than marks");
    let mut digit = b'0' as usize;
    while digit <= b'9' as usize {
        marks[digit] |= DIGIT;
        digit += 1;
    }
    let mut capital = b'A' as usize;
    while capital <= b'Z' as usize {
        marks[capital] |= CAPITAL;
        capital += 1;
    }
    marks
}

const fn all_of(text: &str, marks: &[u64; 256]) -> u64 {
    let text = text.as_bytes();
    let (mut all, mut at) = (0, 0);
    while at < text.len() {
        all |= marks[text[at] as usize];
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use aho_corasick::AhoCorasick;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_beginning_may_begin_in_a_text_that_has_it() {
        for text in TEXTS {
            assert!(Seen::in_text(text.as_bytes()).may_begin(), "{text}");
            assert!(Seen::in_text(format!("order {text} 7").as_bytes()).may_begin(), "{text}");
        }
        for text in ["", "order shipped", "loaded", "curl/8.5.0", "\u{e9}", "GET"] {
            assert!(!Seen::in_text(text.as_bytes()).may_begin(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_in_which_nothing_may_begin_has_no_beginning(
            text in "([a-zA-Z0-9=:@_./\" -]{0,3}|Bearer |basic |eyJ|AKIA|sk-|://|hrt_){0,8}",
        ) {
            let seen = Seen::in_text(text.as_bytes());
            if !seen.may_begin() {
                prop_assert!(!AhoCorasick::new(TEXTS).unwrap().is_match(&text));
            }
            prop_assert_eq!(seen.digits(), text.bytes().filter(u8::is_ascii_digit).count());
            let has_both = |pair: &[u8]| pair.iter().all(u8::is_ascii_uppercase);
            if text.as_bytes().windows(2).any(has_both) && seen.digits() >= 2 {
                prop_assert!(seen.may_be_account());
            }
        }
    }
}
