//! The examples of the RFCs, as they stand there.

use std::time::Duration;

use super::*;
use crate::VerifyingKey;

const NOW: Duration = Duration::from_secs(1);

fn set(jwk: &Value) -> KeySet {
    KeySet::new([VerifyingKey::from_jwk(jwk.to_string().as_bytes()).unwrap()]).unwrap()
}

/// Verifies, and refuses the same with a bit of any part changed.
#[track_caller]
fn holds(keys: &KeySet, header: &str, payload: &str, signature: &str) -> Vec<u8> {
    let text = format!("{header}.{payload}.{signature}");
    let opened = keys.verify_jws(&text, NOW).unwrap();
    for (place, byte) in [(1, 'x'), (header.len() + 2, 'x'), (text.len() - 3, 'x')] {
        let mut other = text.clone();
        let old = other.remove(place);
        other.insert(place, if old == byte { 'y' } else { byte });
        assert!(keys.verify_jws(&other, NOW).is_err(), "{place}");
    }
    opened.payload
}

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rfc7515_appendix_a_2_rs256() {
    let keys = set(&json!({ "kty": "RSA", "e": "AQAB", "n":
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2m\
         JPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OM\
         g0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY\
         4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91\
         kzk2PAcDTW9gb54h4FRWyuXpoQ" }));
    holds(
        &keys,
        "eyJhbGciOiJSUzI1NiJ9",
        JOE,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_l\
         F5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75v\
         RK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWE\
         sqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVm\
         tVrBp0igcN_IoypGlUPQGe77Rw",
    );
}

/// The key and the text of RFC 7520 sections 3.3 and 4.
const BILBO: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEi\
     ZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-\
     oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0\
     FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc\
     5gHdrNP5zw";
const ROAD: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN\
     0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG\
     5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

#[test]
fn rfc7520_section_4_1_rs256() {
    let bilbo = "bilbo.baggins@hobbiton.example";
    let keys = set(&json!({ "kty": "RSA", "e": "AQAB", "n": BILBO, "kid": bilbo, "use": "sig" }));
    let payload = holds(
        &keys,
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
        ROAD,
        "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQ\
         x996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_q\
         HRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xy\
         IrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9\
         ipH84ogoree7vjbU5y18kDquDg",
    );
    assert!(payload.ends_with(b"swept off to."));
}

#[test]
fn rfc7520_section_4_2_ps384() {
    let bilbo = "bilbo.baggins@hobbiton.example";
    let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": BILBO, "kid": bilbo, "alg": "PS384" });
    holds(
        &set(&jwk),
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
        ROAD,
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqs\
         GqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf\
         8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Ml\
         p8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJU\
         AfmWjwZ6oD4ifKo8DYM-X72Eaw",
    );
}

#[test]
fn rfc7515_appendix_a_3_es256() {
    let keys = set(&json!({ "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }));
    let payload = holds(
        &keys,
        "eyJhbGciOiJFUzI1NiJ9",
        JOE,
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    assert!(payload.starts_with(b"{\"iss\":\"joe\",\r\n"));
}

#[test]
fn rfc7515_appendix_a_1_hs256_uses_a_secret_that_everybody_knows() {
    let key = json!({ "kty": "oct", "k":
        "AyM1SysPpbyfDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" });
    let error = SigningKey::from_jwk(key.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("public documentation"), "{error}");
}

#[test]
fn rfc7515_appendix_a_5_unsecured_is_refused() {
    let keys = KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let text = format!("eyJhbGciOiJub25lIn0.{JOE}.");
    assert_eq!(keys.verify_jws(&text, NOW).unwrap_err().kind(), VerifyErrorKind::Algorithm);
}

#[test]
fn rfc7515_json_serialisation_is_refused() {
    let keys = KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let text = json!({ "payload": JOE, "protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "" });
    assert_eq!(
        keys.verify_jws(&text.to_string(), NOW).unwrap_err().kind(),
        VerifyErrorKind::Malformed
    );
}

#[test]
fn rfc8037_appendix_a_4_ed25519() {
    let keys = set(&json!({ "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }));
    let payload = holds(
        &keys,
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
    assert_eq!(payload, b"Example of Ed25519 signing", "a payload need not be JSON");
}

#[test]
fn rfc7797_unencoded_payload_is_refused() {
    let fixture = Fixture::new();
    let keys = KeySet::new([fixture.key.verifying_key()]).unwrap();
    let header = json!({ "alg": "EdDSA", "b64": false, "crit": ["b64"] }).to_string();
    let text = fixture.sign(&header, "$.02");
    assert_eq!(keys.verify_jws(&text, NOW).unwrap_err().kind(), VerifyErrorKind::CriticalHeader);
}

#[test]
fn signed_bytes_may_be_anything_under_the_same_key_policy() {
    let fixture = Fixture::new();
    let keys = KeySet::new([fixture.key.verifying_key()]).unwrap();
    let payload: Vec<u8> = (0..=255).collect();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"Ed25519","typ":"x+y"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(&payload));
    let signature = URL_SAFE_NO_PAD.encode(fixture.key.sign(signed.as_bytes()).unwrap());
    let opened = keys.verify_jws(&format!("{signed}.{signature}"), NOW).unwrap();
    assert_eq!((&opened.payload, opened.kind.as_deref()), (&payload, Some("x+y")));
    assert_eq!(opened.key.key_id(), fixture.key.key_id());
    assert!(!format!("{opened:?}").contains("payload"));
    // An empty payload is one too.
    let signed = format!("{header}.");
    let signature = URL_SAFE_NO_PAD.encode(fixture.key.sign(signed.as_bytes()).unwrap());
    let opened = keys.verify_jws(&format!("{signed}.{signature}"), NOW).unwrap();
    assert!(opened.payload.is_empty());
}
