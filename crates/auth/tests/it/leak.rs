//! No text of a token, a key or a password comes out again.

use std::sync::{Arc, Mutex};

use hardpoint_auth::{
    Algorithm, AuthLayer, Credential, KeyRing, KeySet, PasswordClient, PasswordHasher,
    PasswordPolicy, SigningKey, TokenCache, VerifyingKey, password::PepperRing,
};
use hardpoint_core::{Event, Rejection, RequestContext, Secret, Telemetry, Time};
use hardpoint_testkit::{TestBody, leak::LeakScanner};
use http::Request;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};

use super::{issuer, pair, token, verifier, with};

const PASSWORD: &str = "correct-horse-battery-staple";
const WEAK: &str = "Monkey1234567890";
const PEPPER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Claims, keys and tokens, through everything that is shown of them.
#[tokio::test]
async fn no_claim_key_or_token_is_shown_anywhere() {
    const SECRET: &[u8] = b"0123456789-canary-ABCDEFGHIJKLMN";

    let key = SigningKey::symmetric(Algorithm::Hs256, &SECRET.into()).unwrap();
    let keys = KeySet::new([key.verifying_key()]).unwrap();
    let jwks = keys.to_jwks().to_string();
    let jwk = key.verifying_key().to_jwk().to_string();
    let issuer = issuer(key);
    let told = Arc::new(Mutex::new(String::new()));
    let events = Arc::clone(&told);
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        *events.lock().unwrap() += &format!("{event:?}");
    });
    let builder = verifier(keys.clone()).cache(TokenCache::new()).telemetry(&telemetry);
    let verifier = builder.build().unwrap();
    let new = issuer.token("canary-subject").scopes(["canary-scope"]);
    let new = new.claim("email", "canary-mail").claim("sid", "canary-session");
    let token = new.sign().unwrap();
    let verified = verifier.verify(token.expose()).unwrap();
    let ring = KeyRing::new(SigningKey::generate().unwrap());
    let opened = keys.verify_jws(token.expose(), std::time::Duration::ZERO).unwrap();
    let layer = AuthLayer::new(verifier.clone()).cookie("at");
    let pem = SigningKey::generate_pem().unwrap();
    let refused = SigningKey::from_pem(&pem.expose().replace('M', "!")).unwrap_err();
    let secret = std::str::from_utf8(SECRET).unwrap();
    let bad = VerifyingKey::symmetric(Algorithm::Hs512, &SECRET.into()).unwrap_err();
    let forged = verifier.verify(&format!("{}x", token.expose())).unwrap_err();
    let mut request = with(&format!("Bearer {}x", token.expose()));
    let context = RequestContext::ensure(request.extensions_mut(), &Time::system());
    context.set_identity(verified.clone().into_identity());
    let credential = Credential::new(token.expose());
    let shown = format!(
        "{verified:?} {:?} {verifier:?} {issuer:?} {ring:?} {keys:?} {opened:?} {layer:?} {refused} \
         {bad} {forged} {forged:?} {jwks} {jwk} {token:?} {credential:?} {:?} {:?}",
        verified.claims(),
        request.extensions(),
        verified.clone().into_identity(),
    );
    let answer = layer.layer(tower::service_fn(async |_: Request<TestBody>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(TestBody::default()))
    }));
    let good = with(&format!("Bearer {}", token.expose()));
    answer.clone().oneshot(good).await.unwrap();
    let response = answer.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let encoded = token.expose().split('.').nth(1).unwrap();
    let secrets = [
        secret,
        "canary-mail",
        "canary-session",
        "canary-scope",
        "canary-subject",
        encoded,
        token.expose(),
        pem.expose(),
    ];
    let scanner = LeakScanner::new(secrets);
    scanner.assert_clean("debug, display and jwks", shown.as_bytes());
    let told = told.lock().unwrap();
    assert_eq!(told.matches("TokenVerified(").count(), 2, "{told}");
    scanner.assert_clean("events", told.as_bytes());
    scanner.assert_clean("the answer", format!("{parts:?} {body}").as_bytes());
}

#[tokio::test]
async fn debug_and_display_show_no_secret() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    let signature = token.expose().rsplit_once('.').unwrap().1.to_owned();
    let peppers = PepperRing::parse(&Secret::from(format!("a:{PEPPER}").as_str())).unwrap();
    let weak = PasswordPolicy::default().check(&Secret::from(WEAK), &[]).unwrap_err();
    let passwords = PasswordHasher::builder().arenas(1).peppers(peppers.clone()).build();
    let client = PasswordClient::service();
    let hash = passwords.hash(client, Secret::from(PASSWORD)).await.unwrap();
    let key = SigningKey::generate().unwrap();
    let verifier = verifier(KeySet::new([key.verifying_key()]).unwrap()).build().unwrap();
    let refused = verifier.verify(token.expose()).unwrap_err();
    let shown = format!(
        "{token:?} {issuer:?} {layer:?} {hash:?} {passwords:?} {key:?} {verifier:?} {refused:?} {refused} \
         {peppers:?} {client:?} {weak:?} {weak} {:?} {:?}",
        PasswordHasher::builder().peppers(peppers.clone()).add_stored(&hash),
        weak.problem(),
    );
    let scanner = LeakScanner::new([signature.as_str(), PASSWORD, hash.as_str(), PEPPER, WEAK]);
    scanner.assert_clean("debug and display", shown.as_bytes());
}
