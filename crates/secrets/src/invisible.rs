//! Characters that a reader cannot see.

/// Whether a character is invisible, a control character other than white space, or changes the
/// direction of the text.
///
/// These are the default-ignorable characters of Unicode (UAX #44), the fillers that fonts draw as
/// an empty cell, the line and paragraph separators, and the noncharacter that a byte order mark
/// becomes when its bytes are swapped.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'..='\u{84}'
            | '\u{86}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether a text contains an invisible character that does not shape a visible one.
///
/// Emoji and several scripts need joiners and variation selectors. They are accepted behind a
/// character that is not ASCII, and a joiner also needs one after it: a copied password has them
/// elsewhere only by accident.
pub(crate) fn is_hidden_in(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    let mut shapeable = false;
    while let Some(c) = chars.next() {
        if is_invisible(c) {
            let shapes = match c {
                '\u{200c}' | '\u{200d}' => chars.peek().copied().is_some_and(is_shapeable),
                '\u{fe00}'..='\u{fe0f}' => true,
                _ => false,
            };
            if !(shapes && shapeable) {
                return true;
            }
        } else {
            shapeable = is_shapeable(c);
        }
    }
    false
}

fn is_shapeable(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invisible_character_is_found_wherever_it_is() {
        for c in [
            '\0',
            '\u{8}',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{202e}',
            '\u{2028}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fffe}',
            '\u{e0041}',
            '\u{e01ef}',
        ] {
            for text in [format!("{c}sword"), format!("sw{c}ord"), format!("sword{c}")] {
                assert!(is_hidden_in(&text), "{}", text.escape_debug());
            }
        }
    }

    #[test]
    fn visible_text_of_every_script_is_left_in_peace() {
        for text in [
            "correct horse\tbattery\r\nstaple",
            "clé à molette",
            "non\u{a0}breaking",
            "пароль 密码 كلمة",
            "می\u{200c}خواهم",
            "❤\u{fe0f}",
            "👩\u{200d}👩\u{200d}👧",
            "👩\u{200d}❤\u{fe0f}\u{200d}👩",
        ] {
            assert!(!is_hidden_in(text), "{text}");
        }
    }
}
