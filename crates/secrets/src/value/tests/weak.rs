//! Placeholders, names and keys that no random source makes.

use super::*;

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

proptest! {
    #[test]
    fn a_random_key_is_never_called_weak(key: [u8; 32], long: [[u8; 32]; 4]) {
        prop_assert_eq!(base64(&key), Ok(None));
        prop_assert_eq!(base64(&long.concat()), Ok(None));
    }
}
