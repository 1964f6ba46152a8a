//! Rings of peppers: reading, rotating, and what is missing.

use super::*;

const A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const B: &str = "HxweGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIBAA";

fn ring(text: &str) -> PepperRing {
    PepperRing::parse(&secret(text)).unwrap()
}

#[tokio::test]
async fn a_pepper_is_needed_named_in_the_hash_and_replaced_at_log_in() {
    let plain = fast().build();
    let old = fast().peppers(ring(&format!("a:{A}"))).build();
    let both = fast().peppers(ring(&format!("b:{B},a:{A}"))).build();
    let new = fast().peppers(ring(&format!("b:{B}"))).build();
    let a = "a".parse().unwrap();

    let unpeppered = plain.hash(client("a"), secret("correct horse")).await.unwrap();
    let stored = old.hash(client("a"), secret("correct horse")).await.unwrap();
    assert_eq!((unpeppered.pepper(), stored.pepper()), (None, Some(a)));
    assert!(stored.as_str().contains(",keyid=YQ$"), "{}", stored.as_str());
    let stored = PasswordHash::parse(stored.as_str()).unwrap();
    assert!(matches(&old, Some(&stored), "correct horse").await);
    assert!(!matches(&old, Some(&stored), "wrong").await);
    let stripped = PasswordHash::parse(&stored.as_str().replace(",keyid=YQ", "")).unwrap();
    assert!(!matches(&plain, Some(&stripped), "correct horse").await, "the pepper is in the hash");

    // Rotation: both verify, and a log-in replaces the hash.
    for outdated in [&unpeppered, &stored] {
        assert!(both.needs_rehash(outdated));
        let verified = both.verify(client("a"), Some(outdated), secret("correct horse")).await;
        let verified = verified.unwrap();
        let replacement = verified.replacement().expect("another pepper");
        assert_eq!(replacement.pepper(), Some("b".parse().unwrap()));
        assert!(matches(&new, Some(replacement), "correct horse").await);
    }

    // A pepper that was removed is an error, with a right password and with a wrong one.
    for (hasher, password) in [(&new, "correct horse"), (&new, "x"), (&plain, "correct horse")] {
        let refused = hasher.verify(client("a"), Some(&stored), secret(password)).await;
        assert_eq!(refused.unwrap_err(), PasswordError::UnknownPepper(a));
        assert_eq!(hasher.check(&stored), Err(PasswordError::UnknownPepper(a)));
    }
    let text = PasswordError::UnknownPepper(a).to_string();
    assert!(text.contains("pepper a"), "{text}");
}

#[test]
fn a_ring_is_read_in_every_spelling_and_mistakes_name_the_entry() {
    for good in [
        format!("a:{A},b:{B}"),
        format!(" a:{A}\n b:{B}\n"),
        format!("a={A} b={B}"),
        format!("a:{},b:{B}", A.trim_end_matches('=')),
    ] {
        assert_eq!(format!("{:?}", ring(&good)), "[PepperId(a), PepperId(b)]", "{good}");
    }
    let a = "a".parse().unwrap();
    let table = [
        (String::new(), PepperError::Empty),
        (" , ".to_owned(), PepperError::Empty),
        (format!("a:{A},a:{B}"), PepperError::Duplicate(a)),
        ("a:AAECAw==".to_owned(), PepperError::TooShort { id: a, found: 4 }),
        ("a:not base64!".to_owned(), PepperError::Base64(a)),
        (format!("a:{A},{B}"), PepperError::Malformed { place: 2 }),
        (format!("a:{A},way-too-long:{B}"), PepperError::Malformed { place: 2 }),
        (format!("a:{A},:{B}"), PepperError::Malformed { place: 2 }),
    ];
    for (text, wanted) in table {
        let error = PepperRing::parse(&secret(&text)).unwrap_err();
        assert_eq!(error, wanted, "{text}");
        assert!(!format!("{error} {error:?}").contains("AAEC"), "{error}");
    }
    let many: Vec<String> = (0..17).map(|n| format!("p{n}:{A}")).collect();
    assert_eq!(PepperRing::parse(&secret(&many.join(","))).unwrap_err(), PepperError::TooMany);
}

#[test]
fn a_ring_knows_whether_it_has_a_secret_and_does_not_show_it() {
    let ring = ring(&format!("a:{A},b:{B}"));
    let bytes: Vec<u8> = (0..32).collect();
    assert!(ring.contains(&Secret::from(bytes.as_slice())));
    assert!(!ring.contains(&Secret::from(&bytes[1..])));
    assert_eq!(ring.current(), "a".parse().unwrap());
    assert!(!format!("{ring:?}").contains("AAEC"));
}
