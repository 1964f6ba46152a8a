//! What a verifier is built from: several issuers and their keys, and settings that are refused.

use super::*;
use crate::{Algorithm, Profile, TrustedIssuer, VerifyingKey, key::test_keys};

#[test]
fn a_default_key_id_is_never_compared_and_a_given_one_is() {
    let (own, foreign) = (SigningKey::from_pem(&RSA).unwrap(), SigningKey::generate().unwrap());
    let header = json!({ "alg": "RS256", "kid": "id-of-the-issuer", "typ": "JWT" });
    let clock = ManualClock::default();
    let now = clock.unix().as_secs();
    let claims = json!({ "iss": "i", "aud": "api", "sub": "a", "exp": now + 60 });
    let signed = format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()));
    let token =
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(own.sign(signed.as_bytes()).unwrap()));
    let verify = |keys: Vec<VerifyingKey>| {
        let verifier = TokenVerifier::builder()
            .issuer("i", KeySet::new(keys).unwrap())
            .audience("api")
            .profile(Profile::plain())
            .time(clock.clone())
            .build()
            .unwrap();
        verifier.verify(&token).map(drop).map_err(|error| error.kind())
    };
    let (unnamed, other) = (own.verifying_key(), foreign.verifying_key());
    assert_eq!(verify(vec![unnamed.clone()]), Ok(()));
    assert_eq!(verify(vec![other.clone(), unnamed.clone()]), Ok(()));
    assert_eq!(verify(vec![unnamed.named("mine").unwrap()]), Err(VerifyErrorKind::KeyId));
    assert_eq!(verify(vec![other]), Err(VerifyErrorKind::KeyId));
    let of_another = SigningKey::generate_for(Algorithm::Rs256).unwrap().verifying_key();
    assert_eq!(verify(vec![of_another]), Err(VerifyErrorKind::KeyId));
}

#[test]
fn one_issuer_may_have_a_secret_beside_its_keys() {
    let (key, secret) = (SigningKey::generate().unwrap(), test_keys::secret(32));
    let shared = SigningKey::symmetric(Algorithm::Hs256, &secret.into()).unwrap();
    let verifier = TokenVerifier::builder()
        .issuer(ISSUER, KeySet::new([key.verifying_key()]).unwrap())
        .issuer(ISSUER, KeySet::new([shared.verifying_key()]).unwrap())
        .audience(AUDIENCE)
        .build()
        .unwrap();
    for key in [key, shared] {
        let token = TokenIssuer::new(key, ISSUER, AUDIENCE).token("alice").sign().unwrap();
        assert!(verifier.verify(token.expose()).is_ok());
    }
}

#[test]
fn an_issuer_that_lists_the_key_id_of_another_does_not_shut_it_out() {
    let (hostile, own) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let taken = own.key_id().to_owned();
    let listed = hostile.verifying_key().named(&taken).unwrap();
    let verifier = TokenVerifier::builder()
        .issuer("hostile", KeySet::new([listed]).unwrap())
        // Without an id of its own, so that the header's id is only the other one's.
        .issuer(ISSUER, KeySet::new([own.verifying_key()]).unwrap())
        .audience(AUDIENCE)
        .build()
        .unwrap();
    let own = own.named("unknown here").unwrap().named(&taken).unwrap();
    let token = TokenIssuer::new(own, ISSUER, AUDIENCE).token("alice").sign().unwrap();
    assert_eq!(verifier.verify(token.expose()).unwrap().issuer(), ISSUER);
    // Its own tokens in the name of the other one stay refused.
    let forger = hostile.named(&taken).unwrap();
    let forged = TokenIssuer::new(forger, ISSUER, AUDIENCE).token("alice").sign().unwrap();
    assert!(verifier.verify(forged.expose()).is_err());
}

#[test]
fn profiles_and_templates_that_cannot_be_safe_are_refused_at_build() {
    let keys = || KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let template = |name: &str| TrustedIssuer::template(name, keys()).audience("a");
    let with = |profile| TrustedIssuer::new("i", keys()).audience("a").profile(profile);
    for (issuer, expected) in [
        (template("https://x/{tid}/"), "without tenants"),
        (template("https://x/").tenants(["t"]), "one claim in braces"),
        (template("https://x/{a}/{b}").tenants(["t"]), "one claim in braces"),
        (with(Profile::plain().needs([])), "no audience"),
        (with(Profile::plain().needs([Need::present("aud")])), "no audience"),
        (with(Profile::plain().subjects([""; 0])), "no subject"),
        (with(Profile::plain().max_token(1 << 20)), "at most 40960"),
        (with(Profile::plain().requires((0..30).map(|index| index.to_string()))), "24 claims"),
    ] {
        let error = TokenVerifier::builder().add_issuer(issuer).build().map(drop).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_long_leeway_is_refused_beside_a_revocation() {
    struct None;
    impl Revocation for None {
        fn state(&self, _: &VerifiedToken) -> RevocationState {
            RevocationState::Live
        }
    }
    let keys = KeySet::new([SigningKey::generate().unwrap().verifying_key()]).unwrap();
    let builder =
        || TokenVerifier::builder().issuer("i", keys.clone()).audience("a").revocation(None);
    assert!(builder().leeway(Duration::from_secs(300)).build().is_ok());
    let error = builder().leeway(Duration::from_secs(301)).build().map(drop).unwrap_err();
    assert!(error.to_string().contains("at most 5 minutes"), "{error}");
}
