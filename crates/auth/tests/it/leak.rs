//! No text of a token, a key or a password comes out again.

use hardpoint_auth::{KeySet, PasswordHasher, SigningKey, TokenVerifier};
use hardpoint_core::Secret;
use hardpoint_testkit::leak::LeakScanner;

use super::{AUDIENCE, ISSUER, pair, token};

const PASSWORD: &str = "correct-horse-battery-staple";

#[tokio::test]
async fn debug_and_display_show_no_secret() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    let signature = token.expose().rsplit_once('.').unwrap().1.to_owned();
    let passwords = PasswordHasher::with_bounds(1, 1);
    let hash = passwords.hash(Secret::from(PASSWORD)).await.unwrap();
    let key = SigningKey::generate().unwrap();
    let verifier =
        TokenVerifier::new(KeySet::new([key.verifying_key()]).unwrap(), ISSUER, AUDIENCE);
    let refused = verifier.verify(token.expose()).unwrap_err();
    let shown = format!(
        "{token:?} {issuer:?} {layer:?} {hash:?} {passwords:?} {key:?} {verifier:?} {refused:?} {refused}"
    );
    let scanner = LeakScanner::new([signature.as_str(), PASSWORD, hash.as_str()]);
    scanner.assert_clean("debug and display", shown.as_bytes());
}
