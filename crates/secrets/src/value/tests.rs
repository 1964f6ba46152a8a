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
        ("not-base64!", Flaw::Base64),
        ("AQIDBAUG\nBwgJCgsM", Flaw::Base64Space),
        ("AQIDBAUG BwgJCgsM", Flaw::Base64Space),
        ("AQIDBAUG\n", Flaw::Space),
        ("\"AQIDBAUG\"", Flaw::Quoted),
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
        (format!("\"{block}\""), Flaw::Quoted),
        (block.replace("MC4", "M\u{200b}4"), Flaw::Invisible),
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

const HEX: &str = "3be1079c52f8601da48e29c7750fb346d9126aee845b30c1974df208bc631ae5";

/// The one key in every form in which operators give it to a spec of base64.
#[test]
fn a_key_in_another_encoding_is_refused_by_name_and_never_read_as_another_key() {
    let standard = STANDARD.encode(KEY);
    let hex_of = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let spaced: Vec<_> =
        HEX.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{standard}\n-----END PRIVATE KEY-----");
    for (given, flaw) in [
        (HEX.to_owned(), Flaw::Hex),
        (HEX.to_uppercase(), Flaw::Hex),
        (HEX[..32].to_owned(), Flaw::Hex),
        (HEX[..48].to_owned(), Flaw::Hex),
        (format!("{}{}", HEX[..32].to_uppercase(), &HEX[32..]), Flaw::Hex),
        (format!("0x{HEX}"), Flaw::Hex),
        (format!("0X{}", HEX.to_uppercase()), Flaw::Hex),
        (format!("\\x{HEX}"), Flaw::Hex),
        (spaced.join(":"), Flaw::Hex),
        (spaced.join(" "), Flaw::Hex),
        (format!("{}\n{}", &HEX[..32], &HEX[32..]), Flaw::Hex),
        ("3be1079c-52f8-601d-a48e-29c7750fb346".to_owned(), Flaw::Hex),
        ("HPQQPHCS7BQB3JEOFHDXKD5TI3MRE2XOQRNTBQMXJXZARPDDDLSQ".to_owned(), Flaw::Base32),
        ("hpqqphcs7bqb3jeofhdxkd5ti3mre2xoqrntbqmxjxzarpdddlsq====".to_owned(), Flaw::Base32),
        (STANDARD.encode(&standard), Flaw::EncodedTwice),
        (STANDARD.encode(format!("{standard}\n")), Flaw::EncodedTwice),
        (STANDARD.encode(STANDARD.encode(&standard)), Flaw::EncodedTwice),
        (STANDARD.encode(standard.replace('+', "-").replace('/', "_")), Flaw::EncodedTwice),
        (STANDARD.encode(standard.trim_end_matches('=')), Flaw::EncodedTwice),
        (STANDARD.encode(HEX), Flaw::EncodedTwice),
        (STANDARD.encode(format!("0x{HEX}")), Flaw::EncodedTwice),
        (STANDARD.encode(&HEX[..32]), Flaw::EncodedTwice),
        (pem.clone(), Flaw::KeyIsPem),
        (pem.replace('\n', "\\n"), Flaw::KeyIsPem),
        (format!("base64:{standard}"), Flaw::Base64),
        (format!("'{standard}'"), Flaw::Quoted),
        (format!("{standard}\u{200b}"), Flaw::Invisible),
        (format!("{standard}\0"), Flaw::Invisible),
        (format!(" {standard}"), Flaw::Space),
    ] {
        for spec in [Spec::base64("NAME"), Spec::base64("NAME").min_bytes(1)] {
            let judged = judge(&spec, given.as_bytes()).map(|_| ());
            assert_eq!(judged, Err(flaw), "{}", given.escape_debug());
        }
    }
    for (given, flaw) in [
        (standard.clone(), Flaw::HexIsBase64),
        (standard.replace('+', "-").replace('/', "_"), Flaw::HexIsBase64),
        (format!("0x{HEX}"), Flaw::HexSeparated),
        (spaced.join(":"), Flaw::HexSeparated),
        (format!("{}\n{}", &HEX[..32], &HEX[32..]), Flaw::HexSeparated),
        (HEX[1..].to_owned(), Flaw::HexOdd),
        (hex_of(HEX.as_bytes()), Flaw::EncodedTwice),
        (hex_of(standard.as_bytes()), Flaw::EncodedTwice),
        (pem, Flaw::KeyIsPem),
        (format!("\"{HEX}\""), Flaw::Quoted),
        (format!("{HEX} "), Flaw::Space),
        (format!("{}zz", &HEX[2..]), Flaw::HexIsBase64),
        ("certainly not".to_owned(), Flaw::NotHex),
    ] {
        let judged = judge(&Spec::hex("NAME"), given.as_bytes()).map(|_| ());
        assert_eq!(judged, Err(flaw), "{}", given.escape_debug());
    }
    for written in [HEX.to_owned(), HEX.to_uppercase()] {
        let (value, weakness) = judge(&Spec::hex("NAME"), written.as_bytes()).unwrap();
        assert!(matches!(value, Value::Bytes(bytes) if bytes.ct_eq(KEY)));
        assert_eq!(weakness, None);
    }
}

#[test]
fn raw_bytes_are_refused_where_text_is_wanted_and_text_where_raw_bytes_are() {
    let text_of_key = *b"\x01;k\x02&(~\x7fq\x05%s\x12\x1bzv)r\x0e!t\x03w{";
    for raw in
        [KEY.as_slice(), &text_of_key, b"\xff\xfe\x3b\xe1\x07\x9c\x52\xf8", &[0, 159, 146, 150]]
    {
        for (spec, wanted) in [(Spec::base64("NAME"), "base64"), (Spec::hex("NAME"), "hexadecimal")]
        {
            assert_eq!(judge(&spec, raw).err(), Some(Flaw::Binary { wanted }), "{raw:?}");
        }
    }
    let utf_16 = b"\xff\xfeq\0 \0s\0".as_slice();
    assert_eq!(judge(&Spec::base64("NAME"), utf_16).err(), Some(Flaw::ByteOrderMark));

    for phrase in ["an-example-root-secret-of-many-bytes", "correcthorsebatterystaplecorrect"] {
        assert_eq!(base64(phrase.as_bytes()), Ok(None), "a phrase is not an encoded key");
    }
    let spec = Spec::raw("NAME").exact_bytes(32);
    let (value, weakness) = judge(&spec, &KEY).unwrap();
    assert!(matches!(value, Value::Bytes(bytes) if bytes.ct_eq(KEY)));
    assert_eq!(weakness, None);
    let line = |end: &[u8]| [KEY.as_slice(), end].concat();
    let standard = STANDARD.encode(KEY);
    for (raw, flaw) in [
        (line(b"\n"), Flaw::RawLineBreak),
        (line(b"\r\n"), Flaw::RawLineBreak),
        (line(b"\0"), Flaw::NotExactly { bytes: 32 }),
        (KEY[..31].to_vec(), Flaw::NotExactly { bytes: 32 }),
        (standard.clone().into_bytes(), Flaw::RawIsText),
        (format!("{standard}\n").into_bytes(), Flaw::RawIsText),
        (HEX.into(), Flaw::RawIsText),
        (HEX[..32].into(), Flaw::RawIsText),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_vec(), Flaw::KeyIsPem),
        (b"changeme".to_vec(), Flaw::Placeholder),
        (Vec::new(), Flaw::Empty),
    ] {
        assert_eq!(judge(&spec, &raw).err(), Some(flaw), "{raw:?}");
    }
    // A key of any length keeps the line break that may be a part of it.
    assert!(matches!(
        judge(&Spec::raw("NAME"), &line(b"\n")),
        Ok((Value::Bytes(bytes), None)) if bytes.expose().len() == 33
    ));
}

#[test]
fn an_exact_length_takes_neither_more_nor_less() {
    for (len, fits) in [(31, false), (32, true), (33, false)] {
        let key = [KEY, KEY.map(|byte| byte.rotate_left(3))].concat();
        let written = STANDARD.encode(&key[..len]);
        for spec in [
            Spec::base64("NAME").exact_bytes(32),
            Spec::base64("NAME").min_bytes(1).exact_bytes(32),
        ] {
            let judged = judge(&spec, written.as_bytes()).map(|_| ());
            assert_eq!(judged.is_ok(), fits, "{len}");
        }
        assert!(
            judge(&Spec::base64("NAME").exact_bytes(32).min_bytes(31), written.as_bytes()).is_ok()
        );
    }
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

#[test]
fn what_was_written_in_place_of_a_pem_text_is_named() {
    let der =
        [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(), &KEY]
            .concat();
    let bare = STANDARD.encode(&der);
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let block = format!("-----BEGIN PRIVATE KEY-----\n{bare}\n-----END PRIVATE KEY-----\n");
    for (given, flaw) in [
        (der.clone(), Flaw::PemDer),
        (der[..der.len() - 1].to_vec(), Flaw::PemDer),
        (bare.clone().into(), Flaw::PemBare),
        (format!("{}\n{}", &bare[..40], &bare[40..]).into(), Flaw::PemBare),
        (hex.into(), Flaw::PemHex),
        (STANDARD.encode(&block).into(), Flaw::PemEncoded),
        (br#"{"kty":"OKP","crv":"Ed25519"}"#.to_vec(), Flaw::PemJson),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me".to_vec(), Flaw::PemSsh),
        (b"---- BEGIN SSH2 PUBLIC KEY ----".to_vec(), Flaw::PemSsh),
        (b"/run/keys/signing.pem".to_vec(), Flaw::PemPath),
        (b"./signing.pem".to_vec(), Flaw::PemPath),
        (b"signing".to_vec(), Flaw::PemMissing),
    ] {
        assert_eq!(judge(&Spec::pem("NAME"), &given).err(), Some(flaw), "{given:?}");
        let remedy = flaw.remedy(&Spec::pem("NAME"));
        assert!(flaw == Flaw::PemMissing || remedy.contains(['`', 'J', 'P']), "{remedy}");
    }
}

#[test]
fn only_the_blocks_of_a_pem_text_are_judged() {
    let block = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw==\n-----END PRIVATE KEY-----";
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----";
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVk=\n-----END CERTIFICATE-----";
    for around in [
        format!("# written with printf '...\\n...'\n{block}"),
        format!("Key Attributes: <No Attributes>\n\u{200b}\n{block}\n\\n"),
        format!("\"quoted\" note\n{block}"),
        format!("a \0 comment\n{block}"),
        format!("see -----BEGIN below\n{block}"),
        format!("{parameters}\n{block}"),
        format!("{certificate}\n{block}"),
        format!("Bag Attributes\n    friendlyName: x\n{certificate}\n{block}\n{certificate}"),
    ] {
        assert_eq!(pem(&around), Ok(None), "{around}");
    }
    let escaped = block.replace('\n', "\\n");
    assert_eq!(pem(&format!("# comment\n{escaped}")), Err(Flaw::PemEscaped));
    assert_eq!(pem(&block.replace("AQAw\nBQYD", "AQAw\\nBQYD")), Err(Flaw::PemEscaped));
}

#[test]
fn one_secret_in_two_encodings_is_the_same_secret() {
    let value = |spec: Spec, raw: &str| judge(&spec, raw.as_bytes()).unwrap().0;
    let standard = STANDARD.encode(KEY);
    let forms = [
        value(Spec::base64("A"), &standard),
        value(Spec::base64("A"), &standard.replace('+', "-").replace('/', "_")),
        value(Spec::hex("A"), HEX),
        value(Spec::text("A"), &standard),
    ];
    for (one, other) in forms.iter().flat_map(|one| forms.iter().map(move |other| (one, other))) {
        assert!(one.same_as(other));
    }
    assert!(value(Spec::text("A"), HEX).same_as(&forms[0]));
    assert!(!value(Spec::text("A"), "swordfish").same_as(&forms[0]));
    let block = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----";
    let crlf = format!("{}\r\n", block.replace('\n', "\r\n"));
    assert!(value(Spec::pem("A"), block).same_as(&value(Spec::pem("A"), &crlf)));
}

proptest! {
    #[test]
    fn a_random_key_is_never_taken_for_another_encoding(key: [u8; 32], short: [u8; 24]) {
        for bytes in [key.as_slice(), &short] {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let spec = |spec: Spec| spec.min_bytes(1);
            prop_assert!(judge(&spec(Spec::base64("N")), STANDARD.encode(bytes).as_bytes()).is_ok());
            prop_assert!(judge(&spec(Spec::hex("N")), hex.as_bytes()).is_ok());
            prop_assert!(judge(&spec(Spec::raw("N")), bytes).is_ok());
        }
    }

    #[test]
    fn a_random_key_is_never_called_weak(key: [u8; 32], long: [[u8; 32]; 4]) {
        prop_assert_eq!(base64(&key), Ok(None));
        prop_assert_eq!(base64(&long.concat()), Ok(None));
    }

    #[test]
    fn no_input_makes_the_judge_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        for spec in [
            Spec::text("N"),
            Spec::base64("N"),
            Spec::hex("N"),
            Spec::raw("N"),
            Spec::pem("N"),
        ] {
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
