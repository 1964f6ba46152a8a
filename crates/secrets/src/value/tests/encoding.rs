//! Keys in base64, hexadecimal and as raw bytes, and in encodings that are refused.

use super::*;

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
    fn base64_of_any_bytes_comes_back_as_those_bytes(
        key in proptest::collection::vec(any::<u8>(), 1..100),
    ) {
        let spec = Spec::base64("N").min_bytes(1);
        let (value, _) = judge(&spec, STANDARD.encode(&key).as_bytes()).unwrap();
        prop_assert!(matches!(value, Value::Bytes(bytes) if bytes.ct_eq(&key)));
    }
}
