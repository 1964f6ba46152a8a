//! A key set as bytes. Pure.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{IF_NONE_MATCH, InvalidHeaderValue},
};

use crate::KeySet;

/// The response to a set, rendered once.
#[derive(Debug)]
pub(super) struct Rendered {
    keys: Arc<KeySet>,
    body: Bytes,
    tag: Option<HeaderValue>,
}

impl Rendered {
    pub(super) fn new(keys: Arc<KeySet>) -> Self {
        let body = Bytes::from(keys.to_jwks().to_string());
        let tag = tag(&body).ok();
        Self { keys, body, tag }
    }

    /// Whether this was rendered from `keys`: the same set, not an equal one.
    pub(super) fn is_of(&self, keys: &Arc<KeySet>) -> bool {
        Arc::ptr_eq(&self.keys, keys)
    }

    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The strong entity tag. It is always present, since base64 is a valid header value.
    pub(super) fn tag(&self) -> Option<&HeaderValue> {
        self.tag.as_ref()
    }

    /// Whether the client has these bytes (RFC 9110 §13.1.2, which compares weakly).
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let Some(tag) = self.tag.as_ref().map(HeaderValue::as_bytes) else {
            return false;
        };
        let all = headers.get_all(IF_NONE_MATCH).into_iter();
        let mut known = all.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        known.any(|entry| {
            let entry = entry.trim_ascii();
            entry == b"*" || entry.strip_prefix(b"W/").unwrap_or(entry) == tag
        })
    }
}

/// 128 bits of the digest distinguish two sets.
fn tag(body: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let digest = digest(&SHA256, body);
    let short = digest.as_ref().get(..16).unwrap_or_default();
    HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(short)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    fn rendered() -> Rendered {
        let key = SigningKey::generate().unwrap().verifying_key();
        Rendered::new(Arc::new(KeySet::new([key]).unwrap()))
    }

    #[test]
    fn the_tag_is_strong_and_stands_for_the_bytes() {
        let (one, other) = (rendered(), rendered());
        let again = Rendered::new(Arc::clone(&one.keys));
        assert_eq!(one.tag(), again.tag());
        assert_ne!(one.tag(), other.tag());
        let tag = one.tag().unwrap().to_str().unwrap();
        assert!(tag.len() == 24 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    }

    #[test]
    fn if_none_match_is_a_list_of_tags_that_are_compared_weakly() {
        let rendered = rendered();
        let tag = rendered.tag().unwrap().to_str().unwrap();
        for (lines, known) in [
            (vec![tag.to_owned()], true),
            (vec![format!("W/{tag}")], true),
            (vec![format!("\"a\" , {tag}")], true),
            (vec!["\"a\"".to_owned(), tag.to_owned()], true),
            (vec!["*".to_owned()], true),
            (vec!["\"a\"".to_owned()], false),
            (vec![tag.trim_matches('"').to_owned()], false),
            (vec![String::new()], false),
            (vec![], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(IF_NONE_MATCH, HeaderValue::try_from(line).unwrap());
            }
            assert_eq!(rendered.is_known_to(&headers), known, "{lines:?}");
        }
    }
}
