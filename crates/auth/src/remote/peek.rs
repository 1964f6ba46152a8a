//! What a token says about itself before anything of it is believed. Pure.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::token::{MAX_HEADER, MAX_TOKEN};

/// What a token's header says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is no token: the verifier will say so.
    NoToken,
    /// It is one, and names no key.
    NoKey,
    /// It names this one.
    Key(String),
}

/// Calls `held` with the id of the key that the token names; `None` if it is, and nothing was
/// allocated then.
pub(super) fn key_of(token: &str, held: impl FnOnce(&str) -> bool) -> Option<Named> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(borrow)]
        kid: Option<Text<'a>>,
    }

    /// Of itself, `Option<Cow<str>>` does not borrow.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let mut buffer = [0; MAX_HEADER];
    let Some((header, _)) = token.split_once('.').filter(|_| token.len() <= MAX_TOKEN) else {
        return Some(Named::NoToken);
    };
    let decoded = URL_SAFE_NO_PAD.decode_slice(header, &mut buffer).ok();
    let decoded = decoded.and_then(|length| buffer.get(..length));
    let Some(header) = decoded.and_then(|json| serde_json::from_slice::<Header<'_>>(json).ok())
    else {
        return Some(Named::NoToken);
    };
    match header.kid {
        None => Some(Named::NoKey),
        Some(Text(key_id)) if held(&key_id) => None,
        Some(Text(key_id)) => Some(Named::Key(key_id.into_owned())),
    }
}

/// What `look` makes of the issuer that the token claims to be from. Nothing is allocated here.
pub(super) fn with_issuer<R>(token: &str, look: impl FnOnce(&str) -> Option<R>) -> Option<R> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        iss: Cow<'a, str>,
    }

    let payload = token.split('.').nth(1).filter(|_| token.len() <= MAX_TOKEN)?;
    let mut buffer = [0; MAX_TOKEN / 4 * 3];
    let length = URL_SAFE_NO_PAD.decode_slice(payload, &mut buffer).ok()?;
    let payload: Payload<'_> = serde_json::from_slice(buffer.get(..length)?).ok()?;
    look(&payload.iss)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn issuer_of(token: &str) -> Option<String> {
        with_issuer(token, |issuer| Some(issuer.to_owned()))
    }

    fn token(header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{payload}.c2ln")
    }

    #[test]
    fn the_key_and_the_issuer_are_read() {
        let named =
            token(r#"{"alg":"RS256","kid":"a"}"#, r#"{"sub":1,"iss":"https://id.example"}"#);
        assert_eq!(key_of(&named, |id| id == "a"), None);
        assert_eq!(key_of(&named, |_| false), Some(Named::Key("a".to_owned())));
        assert_eq!(issuer_of(&named).as_deref(), Some("https://id.example"));

        let nameless = token(r#"{"alg":"RS256"}"#, r#"{"iss":["https://id.example"]}"#);
        assert_eq!(key_of(&nameless, |_| true), Some(Named::NoKey));
        assert_eq!(issuer_of(&nameless), None);
    }

    #[test]
    fn what_is_no_token_is_left_to_the_verifier() {
        let long = token(&format!(r#"{{"kid":"{}"}}"#, "a".repeat(MAX_HEADER)), "{}");
        let huge = token(r#"{"kid":"a"}"#, &"a".repeat(MAX_TOKEN));
        let twice = token(r#"{"kid":"a","kid":"b"}"#, "{}");
        let wrong = token(r#"{"kid":1}"#, "{}");
        for text in ["", "a", "a.b.c", "....", &long, &huge, &twice, &wrong] {
            assert_eq!(key_of(text, |_| false), Some(Named::NoToken));
        }
        assert_eq!(issuer_of(&huge), None);
    }

    proptest! {
        #[test]
        fn anything_may_be_looked_at(text in "[ -~]{0,200}") {
            prop_assert!(key_of(&text, |_| false).is_some());
            drop(issuer_of(&text));
        }
    }
}
