//! What is found, and what is left alone.

use hardpoint_core::Secret;
use proptest::prelude::*;

use super::*;

/// The classes found in a text, and the text without them.
fn all_of(text: &str) -> (Vec<Class>, String) {
    let redactor = Class::ALL
        .iter()
        .fold(Redactor::new(), |redactor, class| redactor.class(*class, Action::Erase));
    let rules = redactor.rules.as_ref().unwrap();
    let mut found = Vec::new();
    find::find(text, &rules.names, |_| true, &mut found);
    (found.iter().map(|found| found.class).collect(), redactor.redact(text).into_owned())
}

#[track_caller]
fn finds(text: &str, class: Class, left: &str) {
    let (classes, redacted) = all_of(text);
    let mark = format!("[redacted:{}]", class.as_str());
    assert_eq!((classes, redacted), (vec![class], left.replace("{}", &mark)), "{text}");
}

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dGhlLXNpZ25hdHVyZQ";

#[test]
fn each_class_is_found_where_it_is_written() {
    use Class::{
        Card, CloudKey, Credential, Email, Iban, IpAddress, Jwt, Phone, PrivateKey, Ssn,
        UrlCredential,
    };

    finds(&format!("token {JWT} expired"), Jwt, "token {} expired");
    finds(&format!("line\\n{JWT}"), Jwt, "line\\n{}");
    finds(&format!("Authorization: Bearer {JWT}"), Credential, "Authorization: {}");
    finds("sent Bearer 8f14e45fceea167a to them", Credential, "sent Bearer {} to them");
    finds("Basic YWxpY2U6aHVudGVyMg== failed", Credential, "Basic {} failed");
    finds("GET /a?b=1&token=hunter2&c=3", Credential, "GET /a?b=1&token={}&c=3");
    finds("password='two words' next", Credential, "password='{}' next");
    finds(r#"{"user":"a","password":"hunter2"}"#, Credential, r#"{"user":"a","password":"{}"}"#);
    finds(r#"{\"pin\": 1234, \"a\":1}"#, Credential, r#"{\"pin\": {}, \"a\":1}"#);
    finds(r#"{"password":"a\"b\\","c":1}"#, Credential, r#"{"password":"{}","c":1}"#);
    finds(
        r#"{\"password\":\"a\\\"b\\\\\",\"c\":1}"#,
        Credential,
        r#"{\"password\":\"{}\",\"c\":1}"#,
    );
    finds(
        r#"Config { password: "hunter2", port: 1 }"#,
        Credential,
        r#"Config { password: "{}", port: 1 }"#,
    );
    finds(r#"{ api_key: Some(\"abc\") }"#, Credential, r#"{ api_key: Some(\"{}\") }"#);
    finds(r#"{"tokens":["abc","def"]}"#, Credential, r#"{"tokens":[{}]}"#);
    finds("db_password = hunter2", Credential, "db_password = {}");
    finds("AWS_SECRET_ACCESS_KEY=wJalr/K7MDENG", Credential, "AWS_SECRET_ACCESS_KEY={}");
    finds(r#"{\"password\":\"é"#, Credential, r#"{\"password\":\"{}"#);
    finds("\\u202ealice@example.com", Email, "\\u202e{}");
    finds("charged 4111111111111111 12.50 EUR", Card, "charged {} 12.50 EUR");
    finds("4111 1111 1111 1111 2nd try", Card, "{} 2nd try");
    finds("order A7 4111 1111 1111 1111", Card, "order A7 {}");
    finds("ssn 536-90-4399 2024", Ssn, "ssn {} 2024");
    finds("X-Api-Key: 3f2a", Credential, "X-Api-Key: {}");
    finds("mail to alice.b+c@mail.example.co.uk.", Email, "mail to {}.");
    finds("a\\nbob@example.com", Email, "a\\n{}");
    finds(
        "postgres://app:pa%40ss@db.internal:5432/x",
        UrlCredential,
        "postgres://{}@db.internal:5432/x",
    );
    finds("card 4111 1111 1111 1111 12/28", Card, "card {} 12/28");
    finds("card=5555-5555-5555-4444.", Card, "card={}.");
    finds("amex 378282246310005", Card, "amex {}");
    finds("amex 3782 822463 10005", Card, "amex {}");
    finds("SSN 536-90-4399", Ssn, "SSN {}");
    finds("DE89 3704 0044 0532 0130 00 is", Iban, "{} is");
    finds("to GB82WEST12345698765432.", Iban, "to {}.");
    finds("key AKIAIOSFODNN7EXAMPLE used", CloudKey, "key {} used");
    finds(&format!("ghp_{}", "a1B2".repeat(9)), CloudKey, "{}");
    finds("from 203.0.113.7:443", IpAddress, "from {}:443");
    finds("from [2001:db8::1]:443", IpAddress, "from [{}]:443");
    finds("call +49 (0)30 901820 now", Phone, "call {} now");
    finds(
        "-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----\\nrest",
        PrivateKey,
        "{}\\nrest",
    );
    finds("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ", PrivateKey, "{}");
}

#[test]
fn texts_that_only_look_alike_are_left_alone() {
    for text in [
        "request 0192a1b2-1234-7678-9012-123456789012 took 1234 ms",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7",
        "at 2026-11-28T08:49:37.123456Z, or 1764316800000 ms, or 1764316800000000000 ns",
        "Bearer authentication failed; Basic authentication is not supported",
        "token_type=access expires_in=900 password_length=12",
        "wrong password: try again",
        "the token: it expired",
        "user@localhost, @scope/package, actions/checkout@v4, array[@index]",
        "eyJ is how a JWT begins, and eyJhbGciOiJIUzI1NiJ9 is only a header",
        "4111 1111 1111 1112 and 1234567890123456 have wrong check digits or issuers",
        "pi is 3.14159265358979323846, and 4111111111111111.5 is a fraction",
        "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
        "DE89 3704 0044 0532 0130 01 has a wrong check digit; ES is a country",
        "https://example.com/@user and mailto is not here",
        "-----BEGIN CERTIFICATE-----",
        "AKIA is short, sk_live_ too",
        "version 1.2.3.4.5 and 10:20:30",
        "0.0.0",
        "ok",
        "",
    ] {
        let (classes, redacted) = all_of(text);
        assert_eq!((classes, redacted.as_str()), (vec![], text));
    }
}

#[test]
fn numbers_of_cards_are_found_as_numbers() {
    let redactor = Redactor::new();
    for card in [4_111_111_111_111_111, 378_282_246_310_005, 6_011_111_111_111_117] {
        assert!(redactor.hides_number(card), "{card}");
    }
    for other in [0, 1, 4_111_111_111_111_112, 1_764_316_800_000, u128::MAX] {
        assert!(!redactor.hides_number(other), "{other}");
    }
    assert!(!redactor.class(Class::Card, Action::Keep).hides_number(4_111_111_111_111_111));
}

#[test]
fn data_is_masked_or_gets_a_pseudonym() {
    let masked = Redactor::new()
        .class(Class::Card, Action::Mask)
        .class(Class::Email, Action::Mask)
        .class(Class::Jwt, Action::Mask);
    let text = format!("alice@example.com 4111-1111-1111-1111 {JWT}");
    assert_eq!(masked.redact(&text), "********@example.com ********1111 ********");

    let with = |key: [u8; 16]| {
        let key: Secret<[u8]> = key.as_slice().into();
        Redactor::new().class(Class::Email, Action::Pseudonym).pseudonym_key(&key).unwrap()
    };
    let (first, other) = (with([1; 16]), with([2; 16]));
    let alice = first.redact("alice@example.com").into_owned();
    assert_eq!(first.redact("alice@example.com"), alice);
    assert_ne!(first.redact("bob@example.com"), alice);
    assert_ne!(other.redact("alice@example.com"), alice);
    assert!(alice.starts_with("[email:") && !alice.contains("alice"));
    let without = Redactor::new().class(Class::Email, Action::Pseudonym);
    assert_eq!(without.redact("alice@example.com"), "[redacted:email]");
    let short: Secret<[u8]> = [1; 15].as_slice().into();
    assert!(without.pseudonym_key(&short).unwrap_err().to_string().contains("15 bytes"));
}

#[test]
fn a_service_adds_finders_and_turns_redaction_off_by_name() {
    let find = |text: &str| text.find("KVNR").map(|start| start..(start + 14).min(text.len()));
    let redactor = Redactor::new().finder("kvnr", find);
    assert_eq!(
        redactor.redact("KVNR A123456789 and KVNR B987654321, alice@example.com"),
        "[redacted:kvnr]9 and [redacted:kvnr]1, [redacted:email]"
    );
    let endless = Redactor::new().finder("empty", |_| Some(0..0));
    assert_eq!(endless.redact("text"), "text");
    let off = Redactor::dangerous_off();
    assert_eq!(off.redact("alice@example.com"), "alice@example.com");
    assert!(!off.hides("password"));
}

#[test]
fn a_clean_text_is_not_copied() {
    assert!(matches!(Redactor::new().redact("GET /api/v1/notes 200"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn no_text_breaks_the_search_and_the_rest_of_it_stays(text in "\\PC{0,200}") {
        let redactor = Redactor::new();
        let redacted = redactor.redact(&text);
        let mut in_place = text.clone();
        redactor.redact_from(&mut in_place, 0);
        prop_assert_eq!(&*redacted, &*in_place);
    }

    #[test]
    fn a_secret_is_found_in_any_surroundings(
        before in "[a-zA-Z ,.:;()]{0,40}",
        after in "[a-zA-Z ,:;()]{0,40}",
        which in 0_usize..4,
    ) {
        let secret = [JWT, "alice@example.com", "4111111111111111", "AKIAIOSFODNN7EXAMPLE"][which];
        let redacted = Redactor::new().redact(&format!("{before} {secret} {after}")).into_owned();
        prop_assert!(!redacted.contains(secret), "{redacted}");
    }
}
