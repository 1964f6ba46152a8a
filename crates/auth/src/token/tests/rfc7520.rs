//! The examples of RFC 7520 that no key of ours verifies, and why. Those of sections 4.1 and 4.2
//! are verified: they are among the vectors.

use aws_lc_rs::hmac;

use super::*;
use crate::{Algorithm, KeySetError, VerifyingKey};

const NOW: Duration = Duration::from_secs(1);
const BILBO: &str = "bilbo.baggins@hobbiton.example";
/// The id of the secret of section 3.5, and the secret.
const SHARED: &str = "018c0ae5-4d9b-471b-bfd6-eef314bc7037";
const SECRET: &str = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg";
/// The header of section 4.4, which names it.
const HS256: &str =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
/// The text of section 4.
const ROAD: &str = "It\u{2019}s a dangerous business, Frodo, going out your door. You step onto the \
     road, and if you don't keep your feet, there\u{2019}s no knowing where you might be swept off \
     to.";

#[track_caller]
fn kind_of(keys: &KeySet, text: &str) -> VerifyErrorKind {
    keys.verify_jws(text, NOW).unwrap_err().kind()
}

/// P-521 is not supported: the key is left out of a set, and no other key is taken for it.
#[test]
fn rfc7520_section_4_3_es512_is_refused_as_an_algorithm_that_is_not_supported() {
    let jwk = json!({ "kty": "EC", "kid": BILBO, "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1" });
    let text = format!(
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{}.\
         AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1e\
         JAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
        encode(ROAD)
    );
    assert_eq!(Algorithm::from_name("ES512"), None);
    let alone = json!({ "keys": [jwk] }).to_string();
    let error = KeySet::from_jwks(alone.as_bytes()).unwrap_err();
    assert!(matches!(error, KeySetError::NoneUsable(_)), "{error}");
    assert!(error.to_string().contains("`crv`"), "{error}");
    // Beside others, one of them under the same id.
    let [other, named] = [(); 2].map(|()| SigningKey::generate().unwrap().verifying_key());
    let named = named.named(BILBO).unwrap();
    for (beside, expected) in [(other, VerifyErrorKind::KeyId), (named, VerifyErrorKind::Algorithm)]
    {
        let set = json!({ "keys": [jwk, beside.to_jwk()] }).to_string();
        let (keys, skipped) = KeySet::from_jwks(set.as_bytes()).unwrap();
        assert_eq!((keys.iter().len(), skipped.len()), (1, 1));
        assert_eq!(kind_of(&keys, &text), expected);
    }
}

/// The vector holds for the primitive, and no key is made of a secret that everybody knows.
#[test]
fn rfc7520_section_4_4_hs256_uses_a_secret_that_everybody_knows() {
    const TAG: &str = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";

    let secret = URL_SAFE_NO_PAD.decode(SECRET).unwrap();
    let signed = format!("{HS256}.{}", encode(ROAD));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(tag), TAG);
    let jwk = json!({ "kty": "oct", "kid": SHARED, "use": "sig", "alg": "HS256", "k": SECRET });
    let of_jwk = SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap_err();
    let of_bytes = VerifyingKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap_err();
    for error in [of_jwk, of_bytes] {
        assert!(error.to_string().contains("public documentation"), "{error}");
    }
    // One that nobody knows, under its id.
    let secret = crate::key::test_keys::secret(32);
    let key =
        SigningKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap().named(SHARED).unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let own = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    let opened = keys.verify_jws(&format!("{signed}.{own}"), NOW).unwrap();
    assert_eq!((opened.payload.as_slice(), opened.key.key_id()), (ROAD.as_bytes(), SHARED));
    assert_eq!(kind_of(&keys, &format!("{signed}.{TAG}")), VerifyErrorKind::Signature);
    // Section 4.5 sends the same without the payload, which the recipient has.
    assert_eq!(kind_of(&keys, &format!("{HS256}..{TAG}")), VerifyErrorKind::Signature);
    assert_eq!(kind_of(&keys, &format!("{HS256}..{own}")), VerifyErrorKind::Signature);
}

/// Headers that are not signed, no signed header at all, several signatures: JSON alone says so.
#[test]
fn rfc7520_sections_4_6_to_4_8_are_in_json_which_is_refused() {
    let keys = KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let road = encode(ROAD);
    for text in [
        json!({ "payload": road, "protected": "eyJhbGciOiJIUzI1NiJ9", "header": { "kid": SHARED },
            "signature": "bWUSVaxorn7bEF1djytBd0kHv70Ly5pvbomzMWSOr20" }),
        json!({ "payload": road, "header": { "alg": "HS256", "kid": SHARED },
            "signature": "xuLifqLGiblpv9zBpuZczWhNj1gARaLV3UxvxhJxZuk" }),
        json!({ "payload": road, "signatures": [
            { "protected": "eyJhbGciOiJSUzI1NiJ9", "header": { "kid": BILBO }, "signature":
                "MIsjqtVlOpa71KE-Mss8_Nq2YH4FGhiocsqrgi5NvyG53uoimic1tcMdSg-qptrzZc7CG6Svw2Y13TDIqHzTU\
                 rL_lR2ZFcryNFiHkSw129EghGpwkpxaTn_THJTCglNbADko1MZBCdwzJxwqZc-1RlpO2HibUYyXSwO97BSe0_\
                 evZKdjvvKSgsIqjytKSeAMbhMBdMma622_BG5t4sdbuCHtFjp9iJmkio47AIwqkZV1aIZsv33uPUqBBCXbYoQ\
                 Jwt7mxPftHmNlGoOSMxR_3thmXTCm4US-xiNOyhbm8afKK64jU6_TPtQHiJeQJxz9G3Tx-083B745_AfYOnlC\
                 9w" },
            { "header": { "alg": "ES512", "kid": BILBO }, "signature":
                "ARcVLnaJJaUWG8fG-8t5BREVAuTY8n8YHjwDO1muhcdCoFZFFjfISu0Cdkn9Ybdlmi54ho0x924DUz8sK7ZX\
                 khc7AFM8ObLfTvNCrqcI3Jkl2U5IX3utNhODH6v7xgy1Qahsn0fyb4zSAkje8bAWz4vIfj5pCMYxxm4fgV3q7\
                 ZYhm5eD" },
            { "protected": HS256, "signature": "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0" },
        ] }),
    ] {
        assert_eq!(kind_of(&keys, &text.to_string()), VerifyErrorKind::Malformed, "{text}");
    }
}
