//! Tokens in the shape of identity providers, valid and forged.

mod shapes;

use self::shapes::{Shape, entra_v2, keycloak, shapes, untyped};
use super::*;
use crate::{Profile, TrustedIssuer, token::claims::Plan};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

struct Provider {
    key: SigningKey,
    verifier: TokenVerifier,
    clock: ManualClock,
}

impl Provider {
    fn new(shape: &Shape) -> Self {
        let key = SigningKey::from_pem(&RSA).unwrap().named("k1").unwrap();
        let keys = KeySet::new([key.verifying_key()]).unwrap();
        let clock = ManualClock::default();
        let verifier = TokenVerifier::builder().add_issuer((shape.issuer)(keys));
        Self { key, verifier: verifier.time(clock.clone()).build().unwrap(), clock }
    }

    fn verify(&self, header: &Value, claims: &Value) -> Result<VerifiedToken, VerifyError> {
        let now = self.clock.unix().as_secs();
        let mut claims = claims.clone();
        for (name, time) in [("iat", now), ("exp", now + 600)] {
            claims[name] = json!(time);
        }
        let signed = format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()));
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        self.verifier.verify(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[test]
fn tokens_in_the_shape_of_each_provider_are_accepted_and_forged_ones_refused() {
    for shape in shapes() {
        let provider = Provider::new(&shape);
        let token = provider.verify(&shape.header, &shape.claims);
        let token = token.unwrap_or_else(|error| panic!("{}: {error}", shape.name));
        assert_eq!(token.subject(), shape.subject, "{}", shape.name);
        assert_eq!(token.scopes().collect::<Vec<_>>(), shape.scopes, "{}", shape.name);
        assert_eq!(token.client_id(), shape.client, "{}", shape.name);
        for (claim, value, kind) in &shape.forged {
            let claims = changed(shape.claims.clone(), claim, value.clone());
            let error = provider.verify(&shape.header, &claims).map(drop).unwrap_err();
            assert_eq!(error.kind(), *kind, "{} {claim} {value}", shape.name);
            assert!(error.claim().is_some() && !error.to_string().contains(TENANT), "{error}");
        }
        let other = changed(shape.header.clone(), "alg", json!("RS512"));
        assert!(provider.verify(&other, &shape.claims).is_err());
        let typed = changed(shape.header.clone(), "typ", json!("logout+jwt"));
        let error = provider.verify(&typed, &shape.claims).map(drop).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::Type);
    }
}

#[test]
fn no_provider_accepts_the_tokens_of_another() {
    let shapes = shapes();
    for own in &shapes {
        let provider = Provider::new(own);
        for other in shapes.iter().filter(|other| other.name != own.name) {
            let error = provider.verify(&other.header, &other.claims).map(drop);
            assert!(error.is_err(), "{} took a token of {}", own.name, other.name);
        }
    }
}

#[test]
fn every_profile_names_what_it_loosens() {
    for profile in [
        Profile::cognito(),
        Profile::entra_v1(),
        Profile::entra_v2(),
        Profile::okta(),
        Profile::keycloak(),
        Profile::google(),
        Profile::auth0(),
        Profile::adfs(),
        Profile::supabase(),
        Profile::ory(),
    ] {
        assert!(profile.loosens().count() > 0, "{profile:?}");
        assert!(Plan::new(profile, None).is_ok());
    }
    assert_eq!(Profile::rfc9068().loosens().count(), 0);
}

#[test]
fn a_groups_overage_is_not_known_rather_than_no_groups() {
    let shape = entra_v2();
    let provider = Provider::new(&shape);
    for (name, value) in [("_claim_names", json!({ "groups": "src1" })), ("hasgroups", json!(true))]
    {
        let claims = changed(shape.claims.clone(), name, value);
        let identity = provider.verify(&shape.header, &claims).unwrap().into_identity();
        assert!(identity.omits_roles("groups") && !identity.has_role("groups", "g"), "{name}");
        assert!(!identity.omits_roles("roles") && identity.has_role("roles", "admin"), "{name}");
    }
    let identity = provider.verify(&shape.header, &shape.claims).unwrap().into_identity();
    assert!(!identity.omits_roles("groups"));
}

#[test]
fn long_tokens_are_read_only_where_the_profile_allows_them() {
    let groups: Vec<_> = (0..157).map(|index| format!("{index:036}")).collect();
    for (shape, accepted) in [(&entra_v2(), true), (&keycloak(), false)] {
        let claims = changed(shape.claims.clone(), "groups", json!(groups));
        let answer = Provider::new(shape).verify(&shape.header, &claims).map(drop);
        let expected = if accepted { Ok(()) } else { Err(VerifyErrorKind::TooLong) };
        assert_eq!(answer.map_err(|error| error.kind()), expected, "{}", shape.name);
    }
    // A header with a certificate, which profiles do not allow by themselves.
    let shape = &keycloak();
    let header = changed(shape.header.clone(), "x5c", json!(["A".repeat(1_500)]));
    let error = Provider::new(shape).verify(&header, &shape.claims).map(drop).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TooLong);
}

#[test]
fn odd_claims_are_refused_by_default_and_allowed_by_name() {
    let odd = Shape {
        name: "odd",
        issuer: |keys| {
            let profile = Profile::plain().numeric_subject().null_is_absent();
            TrustedIssuer::new("i", keys).audience("api").profile(profile.max_header(4_096))
        },
        header: json!({ "alg": "RS256", "kid": "k1", "x5c": ["A".repeat(2_000)] }),
        claims: json!({ "iss": "i", "aud": "api", "sub": 7, "nbf": null, "scope": null }),
        subject: "7",
        scopes: &[],
        client: None,
        forged: vec![("sub", json!(7.5), VerifyErrorKind::Claims)],
    };
    let token = Provider::new(&odd).verify(&odd.header, &odd.claims).unwrap();
    assert_eq!(token.subject(), odd.subject);
    let strict = Shape {
        issuer: |keys| TrustedIssuer::new("i", keys).audience("api").profile(Profile::plain()),
        header: untyped(),
        ..odd
    };
    let text = json!("2026-11-28T09:00:00Z");
    for (name, value) in [("sub", json!(7)), ("nbf", Value::Null), ("auth_time", text)] {
        let mut claims = json!({ "iss": "i", "aud": "api", "sub": "7" });
        claims[name] = value;
        let error = Provider::new(&strict).verify(&strict.header, &claims).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.claim()), (VerifyErrorKind::Claims, Some(name)));
    }
}
