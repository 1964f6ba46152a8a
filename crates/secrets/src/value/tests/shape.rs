//! Line breaks, quotation marks and characters that a text may not have.

use super::*;

#[test]
fn one_line_break_is_taken_off_and_no_more() {
    for (raw, value) in [
        ("a", "a"),
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        ("a\r\n\r\n", "a\r\n"),
        ("a \n", "a "),
        ("\n", ""),
        ("", ""),
    ] {
        assert_eq!(without_line_break(raw.as_bytes()), value.as_bytes(), "{raw:?}");
    }
}

#[test]
fn a_text_is_utf_8_without_a_mark_and_without_white_space_around_it() {
    for (raw, flaw) in [
        (b"".as_slice(), Flaw::Empty),
        (b" \t\n", Flaw::Empty),
        (b"\xef\xbb\xbfswordfish", Flaw::ByteOrderMark),
        (b"\xff\xfes\0w\0", Flaw::ByteOrderMark),
        (b"\xfe\xff\0s\0w", Flaw::ByteOrderMark),
        (b"sword\xfffish", Flaw::NotUtf8),
        (b"swordfish\n", Flaw::Space),
        (b" swordfish", Flaw::Space),
        (b"swordfish\t", Flaw::Space),
    ] {
        assert_eq!(text(raw), Err(flaw), "{raw:?}");
    }
    assert_eq!(text(&vec![b'a'; MAX_BYTES + 1]), Err(Flaw::TooLarge));
    assert_eq!(text(b"correct horse\nbattery staple"), Ok(None));
    assert_eq!(text("clé à molette".as_bytes()), Ok(None));
}

#[test]
fn quotation_marks_and_invisible_characters_are_refused_as_white_space_is() {
    for quoted in
        ["\"swordfish\"", "'swordfish'", "`swordfish`", "“swordfish”", " \"swordfish\" ", "\"\""]
    {
        assert_eq!(text(quoted.as_bytes()), Err(Flaw::Quoted), "{quoted}");
    }
    for fine in ["\"swordfish", "sword\"fish", "it's", "'tis", "\""] {
        assert_eq!(text(fine.as_bytes()).err(), None, "{fine}");
    }
    for c in [
        '\0',
        '\u{1b}',
        '\u{7f}',
        '\u{ad}',
        '\u{200b}',
        '\u{200d}',
        '\u{2060}',
        '\u{feff}',
        '\u{e0041}',
    ] {
        for written in [format!("sword{c}fish"), format!("swordfish{c}")] {
            assert_eq!(
                text(written.as_bytes()),
                Err(Flaw::Invisible),
                "{}",
                written.escape_debug()
            );
        }
        let first = if c == '\u{feff}' { Flaw::ByteOrderMark } else { Flaw::Invisible };
        assert_eq!(text(format!("{c}swordfish").as_bytes()), Err(first));
    }
    for space in [' ', '\t', '\u{a0}', '\u{2003}', '\u{3000}', '\u{85}'] {
        assert_eq!(text(format!("swordfish{space}").as_bytes()), Err(Flaw::Space));
    }
}
