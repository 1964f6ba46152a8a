//! Tokens for the tests of a service.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Time;
use serde_json::{Value, json};

use crate::{
    Algorithm, KeyError, KeySet, Profile, SigningKey, TokenVerifier, TokenVerifierBuilder,
};

/// An issuer whose key exists only in the test, and the verifier that trusts it.
///
/// A test of a protected handler takes three lines:
///
/// ```
/// use hardpoint_auth::{AuthLayer, Scopes, test::TestIssuer};
/// # use axum::{Router, body::Body, routing::get};
/// # use hardpoint_auth::RequireLayer;
/// # use http::{Request, StatusCode};
/// # use tower::ServiceExt;
/// # fn app(auth: AuthLayer) -> Router {
/// #     let read = RequireLayer::authenticated().scopes(Scopes::from_static("notes:read"));
/// #     Router::new().route("/notes", get(|| async { "[]" }).layer(read)).layer(auth)
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
///
/// let issuer = TestIssuer::new()?;
/// let app = app(AuthLayer::new(issuer.verifier()));
/// let alice = issuer.token("alice").scopes(["notes:read"]).bearer()?;
///
/// # let request = |bearer: &str| Request::get("/notes").header("authorization", bearer).body(Body::empty());
/// assert_eq!(app.clone().oneshot(request(&alice)?).await?.status(), StatusCode::OK);
/// let late = issuer.token("alice").scopes(["notes:read"]).expired().bearer()?;
/// assert_eq!(app.clone().oneshot(request(&late)?).await?.status(), StatusCode::UNAUTHORIZED);
/// let narrow = issuer.token("alice").bearer()?;
/// assert_eq!(app.oneshot(request(&narrow)?).await?.status(), StatusCode::FORBIDDEN);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestIssuer {
    key: SigningKey,
    stranger: SigningKey,
    name: String,
    audience: String,
    profile: Profile,
    time: Time,
}

impl TestIssuer {
    /// An issuer with the name `https://issuer.test`, a new Ed25519 key, and the audience `test`, whose
    /// tokens are those of RFC 9068.
    ///
    /// # Errors
    /// [`KeyError`] if the system returns no random bytes.
    pub fn new() -> Result<Self, KeyError> {
        Self::with_algorithm(Algorithm::EdDsa)
    }

    /// The same with a key for another algorithm. An RSA key may take a second to find.
    ///
    /// # Errors
    /// [`KeyError`] if the system returns no random bytes.
    pub fn with_algorithm(algorithm: Algorithm) -> Result<Self, KeyError> {
        let key = SigningKey::generate_for(algorithm)?.named("test")?;
        // It claims to be the issuer's key.
        let stranger = SigningKey::generate_for(algorithm)?.named("test")?;
        Ok(Self {
            key,
            stranger,
            name: "https://issuer.test".to_owned(),
            audience: "test".to_owned(),
            profile: Profile::rfc9068(),
            time: Time::system(),
        })
    }

    /// The `iss` of the tokens. Default: `https://issuer.test`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The `aud` of the tokens. Default: `test`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// The profile that the verifier expects. Default: [`Profile::rfc9068`]. For the profile of an
    /// identity provider, give the tokens its [`claim`](TestToken::claim)s.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Reads the time from this handle, as does its verifier. Default: the system's clocks.
    #[must_use]
    pub fn time(mut self, time: impl Into<Time>) -> Self {
        self.time = time.into();
        self
    }

    /// The key that the tokens are verified with.
    ///
    /// # Panics
    /// Never: a set of one key is a set.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        #[expect(clippy::expect_used, reason = "the set has one key")]
        KeySet::new([self.key.verifying_key()]).expect("a set of one key")
    }

    /// A verifier that trusts this issuer.
    ///
    /// # Panics
    /// If the name or the audience is empty, or the profile cannot work.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        #[expect(clippy::expect_used, reason = "a test panics where its settings make no sense")]
        self.verifier_builder().build().expect("an issuer with a name and an audience")
    }

    /// The settings of [`verifier`](Self::verifier), for a test that adds a cache or a revocation.
    pub fn verifier_builder(&self) -> TokenVerifierBuilder {
        TokenVerifier::builder()
            .issuer(self.name.clone(), self.keys())
            .audience(self.audience.clone())
            .profile(self.profile.clone())
            .time(self.time.clone())
    }

    /// A token of `subject` that the verifier accepts for five minutes, unless it is changed.
    pub fn token(&self, subject: &str) -> TestToken<'_> {
        let now = self.time.unix().as_secs();
        let claims = json!({
            "iss": self.name, "aud": self.audience, "sub": subject, "client_id": "test",
            "jti": "test", "iat": now, "exp": now + 300,
        });
        let header = json!({
            "alg": self.key.algorithm().as_str(), "typ": &*self.profile.kind, "kid": "test",
        });
        TestToken { issuer: self, key: &self.key, header, claims }
    }
}

/// A token that is not signed yet. Made by [`TestIssuer::token`].
#[derive(Clone, Debug)]
#[must_use = "a token exists once it is signed"]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    key: &'a SigningKey,
    header: Value,
    claims: Value,
}

impl TestToken<'_> {
    /// Grants these scopes. Default: none.
    pub fn scopes<'s>(self, scopes: impl IntoIterator<Item = &'s str>) -> Self {
        let scopes: BTreeSet<_> = scopes.into_iter().collect();
        self.claim("scope", scopes.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// Sets a claim, also to a value that the verifier refuses; `null` removes it.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Sets a member of the header; `null` removes it.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// A token that expired an hour ago.
    pub fn expired(self) -> Self {
        let now = self.issuer.time.unix();
        let at = |hours: u64| now.saturating_sub(Duration::from_secs(hours * 3_600)).as_secs();
        self.claim("iat", at(2)).claim("exp", at(1))
    }

    /// A token that another issuer signed with a key of its own, under the id of this issuer's key.
    pub fn foreign(mut self) -> Self {
        self.key = &self.issuer.stranger;
        self
    }

    /// The text of the token.
    ///
    /// # Errors
    /// [`KeyError`] if signing fails.
    pub fn sign(self) -> Result<String, KeyError> {
        let encode = |mut object: Value| {
            if let Value::Object(members) = &mut object {
                members.retain(|_, value| !value.is_null());
            }
            URL_SAFE_NO_PAD.encode(object.to_string())
        };
        let signed = format!("{}.{}", encode(self.header), encode(self.claims));
        let signature = self.key.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The value of an `Authorization` field with the token.
    ///
    /// # Errors
    /// [`KeyError`] if signing fails.
    pub fn bearer(self) -> Result<String, KeyError> {
        Ok(format!("Bearer {}", self.sign()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VerifyErrorKind;

    #[test]
    fn each_change_is_refused_for_its_own_reason() {
        let issuer = TestIssuer::new().unwrap();
        let verifier = issuer.verifier();
        let token = || issuer.token("alice");
        let verified = verifier.verify(&token().scopes(["b", "a"]).sign().unwrap()).unwrap();
        assert_eq!(verified.scopes().collect::<Vec<_>>(), ["a", "b"]);
        for (token, expected) in [
            (token().expired(), VerifyErrorKind::Expired),
            (token().foreign(), VerifyErrorKind::Signature),
            (token().claim("aud", "other"), VerifyErrorKind::Audience),
            (token().claim("iss", Value::Null), VerifyErrorKind::Issuer),
            (token().header("typ", "JWT"), VerifyErrorKind::Type),
        ] {
            let error = verifier.verify(&token.sign().unwrap()).map(drop).unwrap_err();
            assert_eq!(error.kind(), expected);
        }
    }

    #[test]
    fn a_token_may_have_the_shape_of_a_provider() {
        let issuer = TestIssuer::with_algorithm(Algorithm::Rs256).unwrap();
        let issuer = issuer.audience("client-1").profile(Profile::cognito());
        let token = issuer.token("alice").claim("aud", Value::Null).claim("token_use", "access");
        let token = token.claim("client_id", "client-1").sign().unwrap();
        assert_eq!(issuer.verifier().verify(&token).unwrap().subject(), "alice");
    }
}
