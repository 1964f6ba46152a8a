//! Which values are accepted as secrets, and which are not.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = *b"\x3b\xe1\x07\x9c\x52\xf8\x60\x1d\xa4\x8e\x29\xc7\x75\x0f\xb3\x46\
                         \xd9\x12\x6a\xee\x84\x5b\x30\xc1\x97\x4d\xf2\x08\xbc\x63\x1a\xe5";

fn text(raw: &[u8]) -> Result<Option<Flaw>, Flaw> {
    judge(&Spec::text("NAME"), raw).map(|(_, weakness)| weakness)
}

fn base64(key: &[u8]) -> Result<Option<Flaw>, Flaw> {
    let written = STANDARD.encode(key);
    judge(&Spec::base64("NAME").min_bytes(1), written.as_bytes()).map(|(_, weakness)| weakness)
}

fn pem(raw: &str) -> Result<Option<Flaw>, Flaw> {
    judge(&Spec::pem("NAME"), raw.as_bytes()).map(|(_, weakness)| weakness)
}

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
fn placeholders_and_names_are_not_secrets() {
    for placeholder in [
        "changeme",
        "ChangeMe",
        "change-me",
        "CHANGE_ME",
        "changeme123",
        "secret",
        "Secret!",
        "password",
        "password1",
        "your-256-bit-secret",
        "YOUR_API_KEY_HERE",
        "your password",
        "xxx",
        "XXXXXXXXXXXXXXXX",
        "****",
        "<api key>",
        "${DATABASE_PASSWORD}",
        "$(cat key)",
        "{{ .Values.key }}",
        "12345678",
        "keyboard cat",
        "todo",
        "...",
    ] {
        assert_eq!(text(placeholder.as_bytes()), Ok(Some(Flaw::Placeholder)), "{placeholder}");
    }
    let named = Spec::text("DATABASE_PASSWORD");
    for own in ["DATABASE_PASSWORD", "database-password", "DatabasePassword"] {
        let (_, weakness) = judge(&named, own.as_bytes()).unwrap();
        assert_eq!(weakness, Some(Flaw::OwnName), "{own}");
    }
    assert_eq!(text(b"aaaaaaaaaaaa"), Ok(Some(Flaw::Repeating)));
    for fine in ["secretariat-of-9-Ostriches", "yourself", "<a", "x9x9x9x9", "passwords are hard"] {
        assert_eq!(text(fine.as_bytes()), Ok(None), "{fine}");
    }
}

#[test]
fn a_placeholder_of_the_wrong_shape_is_one_mistake() {
    assert_eq!(pem("${JWT_SIGNING_KEY}"), Err(Flaw::Placeholder));
    let short = judge(&Spec::base64("NAME"), b"changeme").map(|_| ());
    assert_eq!(short, Err(Flaw::Placeholder));
}

#[test]
fn base64_may_be_of_either_alphabet_with_or_without_padding() {
    let spec = Spec::base64("NAME").min_bytes(1);
    for (written, decoded) in [
        ("+/+/AQ==", [0xfb, 0xff, 0xbf, 1].as_slice()),
        ("+/+/AQ", &[0xfb, 0xff, 0xbf, 1]),
        ("-_-_AQ==", &[0xfb, 0xff, 0xbf, 1]),
        ("-_-_AQ", &[0xfb, 0xff, 0xbf, 1]),
    ] {
        let (value, _) = judge(&spec, written.as_bytes()).unwrap();
        assert!(matches!(value, Value::Bytes(bytes) if bytes.ct_eq(decoded)), "{written}");
    }
    for (written, flaw) in [
        ("+/-_AQ==", Flaw::Base64),
        ("AQI=A", Flaw::Base64),
        ("A", Flaw::Base64),
        ("AR==", Flaw::Base64),
        ("not base64!", Flaw::Base64),
        ("AQIDBAUG\nBwgJCgsM", Flaw::Base64Lines),
        ("AQIDBAUG\n", Flaw::Space),
    ] {
        assert_eq!(judge(&spec, written.as_bytes()).err(), Some(flaw), "{written}");
    }
}

#[test]
fn a_key_has_the_bytes_it_must_have_once_decoded() {
    let spec = Spec::base64("NAME");
    let short = STANDARD.encode(&KEY[..31]);
    assert!(short.len() > 32, "the text is long enough, the key is not");
    assert_eq!(judge(&spec, short.as_bytes()).err(), Some(Flaw::TooShort { least: 32 }));
    assert!(judge(&spec, STANDARD.encode(KEY).as_bytes()).is_ok());
    assert_eq!(
        judge(&Spec::text("NAME").min_bytes(10), b"swordfish").err(),
        Some(Flaw::TooShort { least: 10 })
    );
}

#[test]
fn keys_that_no_random_source_makes_are_weak() {
    let counting: Vec<u8> = (0..32).collect();
    let backwards: Vec<u8> = (0..32).rev().map(|byte| byte * 3).collect();
    let mut lopsided = [7; 64];
    lopsided[..8].copy_from_slice(&KEY[..8]);
    for (key, flaw) in [
        ([0; 32].as_slice(), Flaw::Repeating),
        (&[255; 1], Flaw::Repeating),
        (b"passwordpasswordpasswordpassword", Flaw::Repeating),
        (b"0123456789012345678901234567890123456789", Flaw::Repeating),
        (&[KEY, KEY].concat(), Flaw::Repeating),
        (&counting, Flaw::Counting),
        (&backwards, Flaw::Counting),
        (&lopsided, Flaw::Uneven),
        (b"aaaaaaaabbbbbbbbccccccccdddddddd", Flaw::Uneven),
    ] {
        assert_eq!(base64(key), Ok(Some(flaw)), "{key:?}");
    }
    assert_eq!(base64(&KEY), Ok(None));
    assert_eq!(base64(b"4f9c2b71d0e85a36c1f7b8294e6d03a5"), Ok(None), "hexadecimal, encoded again");
}

#[test]
fn pem_blocks_are_whole() {
    let block = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw==\n-----END PRIVATE KEY-----";
    assert_eq!(pem(block), Ok(None));
    assert_eq!(pem(&format!("\n{block}\r\n")), Ok(None));
    assert_eq!(pem(&format!("# old key\n{block}\n{block}\n")), Ok(None), "a bundle with a comment");
    assert_eq!(pem(&block.replace('\n', "\r\n")), Ok(None));
    assert_eq!(
        pem(&block.replace("MC4", "Proc-Type: 4,ENCRYPTED\n\nMC4")),
        Ok(None),
        "a header of the older form"
    );
    for (broken, flaw) in [
        ("MC4CAQAwBQYDK2Vw".to_owned(), Flaw::PemMissing),
        (block.replace('\n', "\\n"), Flaw::PemEscaped),
        (block.replace('\n', " "), Flaw::PemBroken),
        (block.replace("-----END PRIVATE KEY-----", ""), Flaw::PemBroken),
        (block.replace("END PRIVATE", "END PUBLIC"), Flaw::PemBroken),
        (block.replace("MC4", "M?4"), Flaw::PemBroken),
        (block.replace("MC4CAQAw\nBQYDK2Vw==\n", ""), Flaw::PemBroken),
        (format!("{block}\n-----END PRIVATE KEY-----"), Flaw::PemBroken),
        (format!("-----BEGIN PRIVATE KEY-----\n{block}"), Flaw::PemBroken),
    ] {
        assert_eq!(pem(&broken), Err(flaw), "{broken}");
    }
}

proptest! {
    #[test]
    fn a_random_key_is_never_called_weak(key: [u8; 32], long: [[u8; 32]; 4]) {
        prop_assert_eq!(base64(&key), Ok(None));
        prop_assert_eq!(base64(&long.concat()), Ok(None));
    }

    #[test]
    fn no_input_makes_the_judge_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        for spec in [Spec::text("N"), Spec::base64("N"), Spec::pem("N")] {
            let _ = judge(&spec, &raw).map(|_| ());
        }
    }

    #[test]
    fn base64_of_any_bytes_comes_back_as_those_bytes(
        key in proptest::collection::vec(any::<u8>(), 1..100),
    ) {
        let spec = Spec::base64("N").min_bytes(1);
        let (value, _) = judge(&spec, STANDARD.encode(&key).as_bytes()).unwrap();
        prop_assert!(matches!(value, Value::Bytes(bytes) if bytes.ct_eq(&key)));
    }
}
