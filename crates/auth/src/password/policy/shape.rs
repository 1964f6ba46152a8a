//! A password as an attacker sees it: folded, without substitutions and appended digits.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::password::Normalization;

/// The text in compatibility form (NFKC) and lower case. `Ｐａｓｓｗｏｒｄ` becomes `password`.
pub(super) fn fold(text: &str) -> Zeroizing<String> {
    let normal = Normalization::Nfkc.changed(text);
    Zeroizing::new(normal.as_deref().map_or(text, String::as_str).to_lowercase())
}

/// The letter that a character is written for: `p4$$w0rd` becomes `password`. Some characters are
/// written for `i` and for `l`.
fn letter_of(character: char, i_or_l: char) -> char {
    match character {
        '0' => 'o',
        '1' | '!' | '|' => i_or_l,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => character,
    }
}

/// Calls `is_listed` with each text that a folded password may be a disguise of: the password itself,
/// without digits and symbols around it, and each of these without substitutions. At most 9.
pub(super) fn any_disguise(folded: &str, is_listed: impl Fn(&str) -> bool) -> bool {
    let no_letter = |character: char| !character.is_alphabetic();
    let without_end = folded.trim_end_matches(no_letter);
    [folded, without_end, without_end.trim_start_matches(no_letter)].iter().any(|&base| {
        !base.is_empty()
            && (is_listed(base)
                || ['i', 'l'].iter().any(|&letter| {
                    let plain = base.chars().map(|character| letter_of(character, letter));
                    is_listed(&Zeroizing::new(plain.collect::<String>()))
                }))
    })
}

/// The shortest text of which the folded password is a repetition: `abcabcab` repeats `abc`. `None` if
/// it does not repeat anything twice.
pub(super) fn repeated(folded: &str) -> Option<&str> {
    let period = period(folded.as_bytes());
    let unit = folded.get(..period)?;
    (period * 2 <= folded.len()).then_some(unit)
}

/// The smallest distance after which the bytes repeat, from Knuth, Morris and Pratt's table.
fn period(bytes: &[u8]) -> usize {
    let mut borders = Zeroizing::new(vec![0_usize; bytes.len()]);
    let at = |index: usize| bytes.get(index);
    let mut border = 0;
    for index in 1..bytes.len() {
        while border > 0 && at(border) != at(index) {
            border = borders.get(border - 1).copied().unwrap_or(0);
        }
        if at(border) == at(index) {
            border += 1;
        }
        if let Some(place) = borders.get_mut(index) {
            *place = border;
        }
    }
    bytes.len() - border
}

/// Rows of keyboards. Digits and the alphabet are runs of code points.
const ROWS: [&str; 9] = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm", // English
    "qwertzuiop",
    "yxcvbnm", // German
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn", // French
    "1234567890",
];

/// Whether the folded password consists of a few runs: of one character, of the alphabet, of digits, or
/// of a row of a keyboard, in either direction. `qwertyuiopasdfgh` has 2, and `aaaabbbbcccc` has 1.
pub(super) fn is_few_runs(folded: &str) -> bool {
    let (mut length, mut runs, mut last) = (0_usize, 0_usize, None);
    for character in folded.chars() {
        let continues = last.is_some_and(|last| are_neighbours(last, character));
        length += 1;
        runs += usize::from(!continues);
        last = Some(character);
    }
    runs * 5 <= length
}

fn are_neighbours(one: char, other: char) -> bool {
    let is_simple = |character: char| character.is_ascii_alphanumeric();
    one == other
        || is_simple(one) && is_simple(other) && u32::from(one).abs_diff(u32::from(other)) == 1
        || ROWS.iter().any(|row| {
            let place = |wanted| row.chars().position(|character| character == wanted);
            place(one).zip(place(other)).is_some_and(|(one, other)| one.abs_diff(other) == 1)
        })
}

/// The rest of a folded password without the context words, and without digits and symbols at its
/// ends. `None` if it contains none of the words.
pub(super) fn without_words(
    folded: &str,
    words: &[Zeroizing<String>],
) -> Option<Zeroizing<String>> {
    // One character for one, so that places agree. `l` counts as `i`, as which `1` is read.
    let plain = |text: &str| -> Zeroizing<Vec<char>> {
        let letters = text.chars().map(|character| match letter_of(character, 'i') {
            'l' => 'i',
            letter => letter,
        });
        Zeroizing::new(letters.collect())
    };
    let text = plain(folded);
    let mut is_word = vec![false; text.len()];
    for word in words {
        let word = plain(word);
        if word.len() < SHORTEST_WORD {
            continue;
        }
        for (start, part) in text.windows(word.len()).enumerate() {
            let place: Range<usize> = start..start + word.len();
            if *part == **word
                && let Some(marks) = is_word.get_mut(place)
            {
                marks.fill(true);
            }
        }
    }
    if !is_word.contains(&true) {
        return None;
    }
    let left = folded.chars().zip(is_word).filter(|(_, is_word)| !is_word);
    let left = Zeroizing::new(left.map(|(character, _)| character).collect::<String>());
    Some(Zeroizing::new(left.trim_matches(|character: char| !character.is_alphabetic()).to_owned()))
}

/// Shorter context words are ignored: `al` is part of too much.
const SHORTEST_WORD: usize = 3;

/// The words that an attacker tries for a value of the context, longest first: a name, or an address
/// with its local part, its host, and their parts.
pub(super) fn words(values: &[&str]) -> Vec<Zeroizing<String>> {
    let mut words = Vec::new();
    for value in values.iter().take(MAX_VALUES) {
        let longest = value.char_indices().nth(MAX_VALUE_CHARS).map_or(value.len(), |(end, _)| end);
        let value = fold(value.get(..longest).unwrap_or(value).trim());
        let parts = value.split(|character: char| !character.is_alphanumeric());
        let halves = value.split('@');
        words.extend(parts.chain(halves).map(|part| Zeroizing::new(part.to_owned())));
        words.push(value);
    }
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words.truncate(MAX_WORDS);
    words
}

/// The part of a context that is read: the work of a check is bounded.
const MAX_VALUES: usize = 16;
const MAX_VALUE_CHARS: usize = 254;
const MAX_WORDS: usize = 64;
