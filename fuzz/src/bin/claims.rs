//! A token that is properly signed, whatever stands in it: the first line is its header (a good one if it
//! is empty), the rest its claims. What we accept keeps every rule, and jsonwebtoken accepts it too.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_auth::{Algorithm, KeySet, Profile, TokenVerifier, VerifiedToken, VerifyingKey};
use hardpoint_core::{Clock, ManualClock};
use hardpoint_fuzz::is_object_without_repetition;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

hardpoint_fuzz::target!(check);

/// A test's secret.
const SECRET: &[u8; 36] = b"Zq7-Kf2+Vn9_Lx4=Tb8.Wm3~Rc6!Hd1?Gp5w";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "api";
const LEEWAY: f64 = 30.0;
/// Members of a header that we do not look at, and that jsonwebtoken refuses unless they are of the type
/// that it has for them.
const TYPED_BY_THEM: [&str; 11] =
    ["cty", "enc", "jku", "jwk", "nonce", "url", "x5c", "x5t", "x5t#S256", "x5u", "zip"];

fn check(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or_default();
    let (header, payload) = data.split_at(end);
    for (profile, warm) in &*VERIFIERS {
        let typ = if *profile == Profile::plain() { "JWT" } else { "at+jwt" };
        let usual = format!(r#"{{"alg":"HS256","typ":"{typ}","kid":"test"}}"#);
        let header = if header.is_empty() { usual.as_bytes() } else { header };
        let token = sign(header, payload);
        let answer = verifier(profile).verify(&token);
        let again = warm.verify(&token).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(again, answer.as_ref().map(|_| ()).map_err(|error| error.kind()));
        if let Ok(verified) = answer {
            accepted(&verified, &token, header, payload);
        }
    }
}

fn accepted(verified: &VerifiedToken, token: &str, header: &[u8], payload: &[u8]) {
    assert!(is_object_without_repetition(header) && is_object_without_repetition(payload));
    let header: Value = serde_json::from_slice(header).expect("checked above");
    assert!(header["alg"] == "HS256" && header.get("crit").or(header.get("b64")).is_none());
    assert!(header.get("kid").is_none_or(|id| id == "test"));
    let claims: Value = serde_json::from_slice(payload).expect("what is accepted is JSON");
    match jsonwebtoken::decode::<Value>(token, &THEIRS.0, &THEIRS.1) {
        Ok(theirs) => assert_eq!(theirs.claims, claims),
        Err(error) => {
            assert!(TYPED_BY_THEM.iter().any(|name| header.get(name).is_some()), "{error}");
        }
    }
    assert!(claims["iss"] == ISSUER);
    let audience = claims["aud"].as_array().map_or(std::slice::from_ref(&claims["aud"]), |all| all);
    assert!(audience.iter().any(|own| own == AUDIENCE) && audience.iter().all(Value::is_string));
    let now = ManualClock::default().unix().as_secs_f64();
    assert!(claims["exp"].as_f64().expect("a number").floor() + LEEWAY > now);
    for begin in ["nbf", "iat"].into_iter().filter_map(|name| claims.get(name)) {
        assert!(begin.as_f64().expect("a number").floor() <= now + LEEWAY);
    }
    assert!(!verified.subject().is_empty() && claims["sub"] == verified.subject());
    let text = |name: &str| claims.get(name).map(|value| value.as_str().expect("a text"));
    assert_eq!(verified.client_id(), text("client_id"));
    assert_eq!(verified.token_id(), text("jti"));
    assert_eq!(verified.session_id(), text("sid"));
    let scopes = text("scope").unwrap_or_default();
    let granted: Vec<_> = verified.scopes().collect();
    assert!(scopes.split(' ').all(|name| name.is_empty() || granted.contains(&name)));
    assert!(granted.iter().all(|name| scopes.split(' ').any(|own| own == *name)));
    for (name, value) in claims.as_object().expect("checked above") {
        assert_eq!(verified.claims().text(name), value.as_str());
        // With a slash it is a path.
        let is_said = |text: &str| name.starts_with('/') || verified.claims().has(name, text);
        assert!(value.as_str().is_none_or(is_said));
    }
    assert_eq!(verified.claims_as::<Value>(), Some(claims));
}

static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
    let key = VerifyingKey::symmetric(Algorithm::Hs256, &SECRET.as_slice().into());
    key.and_then(|key| key.named("test")).expect("a secret that is long enough")
});

/// For each profile a verifier that has seen a usual header.
static VERIFIERS: LazyLock<[(Profile, TokenVerifier); 2]> = LazyLock::new(|| {
    [("at+jwt", Profile::rfc9068()), ("JWT", Profile::plain())].map(|(typ, profile)| {
        let warm = verifier(&profile);
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}","kid":"test"}}"#);
        let claims =
            br#"{"iss":"https://issuer.example","aud":"api","sub":"alice","client_id":"app",
            "jti":"1","iat":1799999999,"exp":1800000600}"#;
        assert!(warm.verify(&sign(header.as_bytes(), claims)).is_ok());
        (profile, warm)
    })
});

static THEIRS: LazyLock<(DecodingKey, Validation)> = LazyLock::new(|| {
    let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // It reads the system's clock: times are compared by ourselves.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    (DecodingKey::from_secret(SECRET), validation)
});

fn verifier(profile: &Profile) -> TokenVerifier {
    let keys = KeySet::new([KEY.clone()]).expect("one key");
    let builder = TokenVerifier::builder().issuer(ISSUER, keys).audience(AUDIENCE);
    let builder = builder.time(ManualClock::default()).profile(profile.clone());
    builder.build().expect("an issuer and an audience")
}

fn sign(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}
