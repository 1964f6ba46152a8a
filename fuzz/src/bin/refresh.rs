//! Any text as a refresh token: only what this service made is authentic, and it has one spelling.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use hardpoint_auth::{
    SessionIssuer, SessionStore, SigningKey, TokenIssuer,
    session::{RootSecret, SessionClient, SessionError},
};
use hardpoint_core::Secret;

hardpoint_fuzz::target!(check);

/// The root is fixed, so that a seed can be authentic. No session is ever opened.
static SESSIONS: LazyLock<SessionIssuer> = LazyLock::new(|| {
    let root = RootSecret::new(Secret::from(&[7; 32][..])).expect("32 bytes");
    let key = SigningKey::generate().expect("randomness");
    let tokens = TokenIssuer::builder(key).issuer("https://id.example").audience("api");
    let tokens = tokens.build().expect("an issuer and an audience");
    SessionIssuer::builder(tokens, &root, SessionStore::memory()).build().expect("the defaults")
});

fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if !is_authentic(text, &SessionClient::new()) {
        return;
    }
    assert_eq!(text.len(), 86);
    assert!(text.strip_prefix("hrt_").is_some_and(|rest| rest.bytes().all(is_base64url)));
    // No other client may use it, and no other text is this token.
    assert!(!is_authentic(text, &SessionClient::new().binding(b"another client")));
    for place in 0..text.len() {
        for other in [b'A', b'B', b'_', b'-', b'='] {
            let mut altered = text.as_bytes().to_vec();
            if std::mem::replace(&mut altered[place], other) != other {
                let altered = String::from_utf8(altered).expect("ASCII");
                assert!(!is_authentic(&altered, &SessionClient::new()), "{altered}");
            }
        }
    }
}

/// Whether the store was asked, which knows no session.
fn is_authentic(text: &str, client: &SessionClient) -> bool {
    // A store in memory decides at the first poll.
    let mut context = Context::from_waker(Waker::noop());
    match pin!(SESSIONS.rotate(text, client)).poll(&mut context) {
        Poll::Ready(Err(SessionError::Invalid)) => false,
        Poll::Ready(Err(SessionError::Unknown)) => true,
        other => panic!("{other:?}"),
    }
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
