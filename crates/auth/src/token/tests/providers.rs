//! Tokens in the shape of identity providers, valid and forged.

use std::sync::LazyLock;

use super::*;
use crate::{Algorithm, Profile, TrustedIssuer, VerifyingKey, key::test_keys};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// An RSA key takes a second to find in a build without optimisations.
static RSA: LazyLock<String> = LazyLock::new(test_keys::rsa_pem);

/// What a provider's tokens look like.
struct Shape {
    name: &'static str,
    issuer: fn(KeySet) -> TrustedIssuer,
    header: Value,
    /// Without the times.
    claims: Value,
    subject: &'static str,
    scopes: &'static [&'static str],
    client: Option<&'static str>,
    /// A changed claim (`null` removes it), and the claim and the reason that the error names.
    forged: Vec<(&'static str, Value, VerifyErrorKind)>,
}

fn jwt() -> Value {
    json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" })
}

fn untyped() -> Value {
    json!({ "alg": "RS256", "kid": "k1" })
}

fn shapes() -> Vec<Shape> {
    use VerifyErrorKind::{Audience, Claims, Issuer, Type};

    let cognito = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
    let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    vec![
        Shape {
            name: "cognito",
            issuer: |keys| {
                let name = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
                TrustedIssuer::new(name, keys)
                    .audience("1example23456789")
                    .profile(Profile::cognito())
            },
            header: untyped(),
            claims: json!({
                "iss": cognito, "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "token_use": "access",
                "client_id": "1example23456789", "scope": "openid notes/read", "version": 2,
                "origin_jti": "o", "event_id": "e", "jti": "j", "username": "alice",
                "cognito:groups": ["admins"],
            }),
            subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            scopes: &["openid", "notes/read"],
            client: Some("1example23456789"),
            forged: vec![
                ("client_id", json!("another"), Audience),
                ("client_id", Value::Null, Audience),
                ("token_use", json!("id"), Type),
                ("token_use", Value::Null, Type),
                // An ID token has an audience instead of a client.
                ("aud", json!("1example23456789"), Type),
                ("iss", json!("https://cognito-idp.eu-central-1.amazonaws.com/x"), Issuer),
                ("sub", Value::Null, Claims),
            ],
        },
        Shape {
            name: "entra v2",
            issuer: |keys| {
                TrustedIssuer::template("https://login.microsoftonline.com/{tid}/v2.0", keys)
                    .tenants([TENANT])
                    .audience("api://notes")
                    .profile(Profile::entra_v2())
            },
            header: json!({ "alg": "RS256", "kid": "k1", "x5t": "k1", "typ": "JWT" }),
            claims: json!({
                "iss": entra, "aud": "api://notes", "ver": "2.0", "tid": TENANT, "oid": "o-1",
                "sub": "pairwise", "azp": "app-1", "scp": "notes.read notes.write",
                "roles": ["admin"], "uti": "u", "aio": "a", "rh": "r",
            }),
            subject: "o-1",
            scopes: &["notes.read", "notes.write"],
            client: Some("app-1"),
            forged: vec![
                ("ver", json!("1.0"), Type),
                ("tid", json!(OTHER), Issuer),
                ("iss", json!(format!("https://login.microsoftonline.com/{OTHER}/v2.0")), Issuer),
                ("iss", json!("https://login.microsoftonline.com/v2.0"), Issuer),
                ("iss", json!("https://login.microsoftonline.com/a/b/v2.0"), Issuer),
                ("aud", json!("api://other"), Audience),
                ("oid", Value::Null, Type),
                ("azp", Value::Null, Type),
                ("scp", json!(["notes.read"]), Claims),
            ],
        },
        Shape {
            name: "entra v1",
            issuer: |keys| {
                TrustedIssuer::template("https://sts.windows.net/{tid}/", keys)
                    .dangerous_any_tenant()
                    .audience("api://notes")
                    .profile(Profile::entra_v1())
            },
            // Some tokens of version 1 have no `kid`.
            header: json!({ "alg": "RS256", "x5t": "k1", "typ": "JWT" }),
            claims: json!({
                "iss": format!("https://sts.windows.net/{OTHER}/"), "aud": "api://notes",
                "ver": "1.0", "tid": OTHER, "oid": "o-1", "sub": "pairwise", "appid": "app-1",
            }),
            subject: "o-1",
            scopes: &[],
            client: Some("app-1"),
            forged: vec![
                ("iss", json!("https://sts.windows.net/a/b/"), Issuer),
                ("iss", json!("https://sts.windows.net//"), Issuer),
                ("tid", json!(TENANT), Issuer),
                ("appid", Value::Null, Type),
                ("ver", json!("2.0"), Type),
            ],
        },
        Shape {
            name: "okta",
            issuer: |keys| {
                TrustedIssuer::new("https://dev-1.okta.com/oauth2/default", keys)
                    .audience("api://default")
                    .profile(Profile::okta())
            },
            header: untyped(),
            claims: json!({
                "iss": "https://dev-1.okta.com/oauth2/default", "aud": "api://default", "ver": 1,
                "jti": "AT.1", "cid": "0oa1", "uid": "00u1", "scp": ["openid", "notes"],
                "sub": "alice@example.com",
            }),
            subject: "00u1",
            scopes: &["openid", "notes"],
            client: Some("0oa1"),
            forged: vec![
                ("cid", Value::Null, Type),
                ("scp", json!("openid notes"), Claims),
                ("scp", json!(["openid notes"]), Claims),
                ("scp", json!(["openid", 1]), Claims),
                ("jti", Value::Null, Claims),
            ],
        },
        Shape {
            name: "keycloak",
            issuer: |keys| {
                TrustedIssuer::new("https://id.example/realms/main", keys)
                    .audience("notes")
                    .profile(Profile::keycloak())
            },
            header: jwt(),
            claims: json!({
                "iss": "https://id.example/realms/main", "aud": ["notes", "account"],
                "sub": "f:1", "typ": "Bearer", "azp": "web", "sid": "s-1", "jti": "onrtac:1",
                "scope": "email profile", "realm_access": { "roles": ["admin"] }, "acr": "1",
            }),
            subject: "f:1",
            scopes: &["email", "profile"],
            client: Some("web"),
            forged: vec![
                ("typ", json!("ID"), Type),
                ("typ", json!("Refresh"), Type),
                ("aud", json!(["account"]), Audience),
                ("aud", Value::Null, Audience),
            ],
        },
        Shape {
            name: "google",
            issuer: |keys| {
                TrustedIssuer::new("https://accounts.google.com", keys)
                    .or_named("accounts.google.com")
                    .audience("1.apps.googleusercontent.com")
                    .profile(Profile::google())
            },
            header: jwt(),
            claims: json!({
                "iss": "accounts.google.com", "aud": "1.apps.googleusercontent.com",
                "azp": "1.apps.googleusercontent.com", "sub": "10769150350006150715113082367",
                "email": "alice@example.com", "email_verified": true,
            }),
            subject: "10769150350006150715113082367",
            scopes: &[],
            client: Some("1.apps.googleusercontent.com"),
            forged: vec![
                ("iss", json!("https://accounts.google.com/"), Issuer),
                ("aud", json!("2.apps.googleusercontent.com"), Audience),
                ("sub", json!(107_691), Claims),
            ],
        },
        Shape {
            name: "auth0",
            issuer: |keys| {
                TrustedIssuer::new("https://example.eu.auth0.com/", keys)
                    .audience("https://notes.example")
                    .profile(Profile::auth0())
            },
            header: jwt(),
            claims: json!({
                "iss": "https://example.eu.auth0.com/", "sub": "auth0|1", "azp": "web",
                "aud": ["https://notes.example", "https://example.eu.auth0.com/userinfo"],
                "scope": "openid read:notes", "permissions": ["read:notes"],
            }),
            subject: "auth0|1",
            scopes: &["openid", "read:notes"],
            client: Some("web"),
            forged: vec![
                ("iss", json!("https://example.eu.auth0.com"), Issuer),
                ("aud", json!("web"), Audience),
            ],
        },
        Shape {
            name: "adfs",
            issuer: |keys| {
                TrustedIssuer::new("http://fs.example/adfs/services/trust", keys)
                    .audience("microsoft:identityserver:notes")
                    .profile(Profile::adfs())
            },
            header: json!({ "alg": "RS256", "x5t": "k1", "typ": "JWT" }),
            claims: json!({
                "iss": "http://fs.example/adfs/services/trust",
                "aud": "microsoft:identityserver:notes", "appid": "web", "apptype": "Public",
                "upn": "alice@corp.example", "scp": "openid", "ver": "1.0",
                "auth_time": "2026-11-28T09:00:00.5Z",
            }),
            subject: "alice@corp.example",
            scopes: &["openid"],
            client: Some("web"),
            forged: vec![
                ("auth_time", json!("2026-11-28T25:00:00Z"), Claims),
                ("nbf", json!("now"), Claims),
                ("appid", Value::Null, Type),
            ],
        },
        Shape {
            name: "supabase",
            issuer: |keys| {
                TrustedIssuer::new("https://abc.supabase.co/auth/v1", keys)
                    .audience("authenticated")
                    .profile(Profile::supabase())
            },
            header: jwt(),
            claims: json!({
                "iss": "https://abc.supabase.co/auth/v1", "aud": "authenticated", "sub": "u-1",
                "role": "authenticated", "session_id": "s-1", "aal": "aal1", "is_anonymous": false,
            }),
            subject: "u-1",
            scopes: &[],
            client: None,
            forged: vec![
                ("role", json!("anon"), Type),
                ("role", json!("service_role"), Type),
                ("iss", json!("supabase"), Issuer),
            ],
        },
        Shape {
            name: "ory",
            issuer: |keys| {
                TrustedIssuer::new("https://p.projects.oryapis.com", keys)
                    .audience("notes")
                    .profile(Profile::ory())
            },
            header: jwt(),
            claims: json!({
                "iss": "https://p.projects.oryapis.com", "aud": ["notes"], "sub": "u-1",
                "client_id": "web", "jti": "1", "scp": ["offline", "notes"], "ext": {},
            }),
            subject: "u-1",
            scopes: &["offline", "notes"],
            client: Some("web"),
            forged: vec![
                ("aud", json!([]), Audience),
                ("aud", json!(["notes", 1]), Audience),
                ("scp", json!({ "notes": true }), Claims),
            ],
        },
    ]
}

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
        assert!(profile.plan(None).is_ok());
    }
    assert_eq!(Profile::rfc9068().loosens().count(), 0);
}

#[test]
fn a_groups_overage_is_not_known_rather_than_no_groups() {
    let shape = shapes().swap_remove(1);
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
    let shapes = shapes();
    for (shape, accepted) in [(&shapes[1], true), (&shapes[4], false)] {
        let claims = changed(shape.claims.clone(), "groups", json!(groups));
        let answer = Provider::new(shape).verify(&shape.header, &claims).map(drop);
        let expected = if accepted { Ok(()) } else { Err(VerifyErrorKind::TooLong) };
        assert_eq!(answer.map_err(|error| error.kind()), expected, "{}", shape.name);
    }
    // A header with a certificate, which profiles do not allow by themselves.
    let shape = &shapes[4];
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
    let shared = SigningKey::symmetric(Algorithm::Hs256, secret.into()).unwrap();
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
