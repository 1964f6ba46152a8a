//! What the tokens of each identity provider look like.

use super::{super::*, TENANT};
use crate::{Profile, TrustedIssuer};
use VerifyErrorKind::{Audience, Claims, Issuer, Type};

const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// What a provider's tokens look like.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) issuer: fn(KeySet) -> TrustedIssuer,
    pub(super) header: Value,
    /// Without the times.
    pub(super) claims: Value,
    pub(super) subject: &'static str,
    pub(super) scopes: &'static [&'static str],
    pub(super) client: Option<&'static str>,
    /// A changed claim (`null` removes it), and the claim and the reason that the error names.
    pub(super) forged: Vec<(&'static str, Value, VerifyErrorKind)>,
}

pub(super) fn shapes() -> Vec<Shape> {
    vec![
        cognito(),
        entra_v2(),
        entra_v1(),
        okta(),
        keycloak(),
        google(),
        auth0(),
        adfs(),
        supabase(),
        ory(),
    ]
}

fn cognito() -> Shape {
    let cognito = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
    Shape {
        name: "cognito",
        issuer: |keys| {
            let name = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123";
            TrustedIssuer::new(name, keys).audience("1example23456789").profile(Profile::cognito())
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
    }
}

pub(super) fn entra_v2() -> Shape {
    let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
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
    }
}

fn entra_v1() -> Shape {
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
    }
}

fn okta() -> Shape {
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
    }
}

pub(super) fn keycloak() -> Shape {
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
    }
}

fn google() -> Shape {
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
    }
}

fn auth0() -> Shape {
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
    }
}

fn adfs() -> Shape {
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
    }
}

fn supabase() -> Shape {
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
    }
}

fn ory() -> Shape {
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
    }
}

fn jwt() -> Value {
    json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" })
}

pub(super) fn untyped() -> Value {
    json!({ "alg": "RS256", "kid": "k1" })
}
