//! The keys of outgoing calls. Any [`KeyExtractor`] works: a route, a tenant in an extension.

use std::fmt;

use hardpoint_core::{Head, Key, KeyExtractor, KeyMissing};
use http::header::HOST;

/// Distinguishes calls by the host and port of their target, or else of their `Host` header field.
///
/// Letter case does not matter. User information before an `@` is left out: a password in a target
/// does not become a part of a key. Costs no allocation.
///
/// ```
/// use hardpoint_core::{Head, KeyExtractor};
/// use hardpoint_resilience::key;
/// use http::Request;
///
/// let request = |target: &str| Request::builder().uri(target).body(());
/// let (one, twin) = (request("https://API.example:8443/a")?, request("https://api.example:8443/b")?);
/// assert_eq!(key::host().key(Head::new(&one))?, key::host().key(Head::new(&twin))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn host() -> impl KeyExtractor + Clone + fmt::Debug {
    Host
}

#[derive(Clone, Debug)]
struct Host;

impl KeyExtractor for Host {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = authority.or_else(|| Some(head.headers.get(HOST)?.as_bytes()));
        let host = host.ok_or(KeyMissing::new("host"))?;
        let host = host.rsplit(|&byte| byte == b'@').next().unwrap_or(host);
        if !host.iter().any(u8::is_ascii_uppercase) {
            return Ok(Key::borrowed(host));
        }
        let mut buffer = [0; Key::INLINE];
        let lower = buffer.get_mut(..host.len()).map(|lower| {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            &*lower
        });
        // A name too long to be held inline keeps its case: it only counts apart.
        Ok(lower.and_then(Key::inline).unwrap_or(Key::borrowed(host)))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn user_information_is_not_a_part_of_the_key() {
        let key = |target: &str| {
            let request = Request::builder().uri(target).body(()).unwrap();
            host().key(Head::new(&request)).unwrap().as_bytes().to_vec()
        };
        for target in [
            "https://api.example:8443/a",
            "https://user@api.example:8443/a",
            "https://user:pass@api.example:8443/a",
            "https://User:PASS@API.example:8443/a",
        ] {
            assert_eq!(key(target), b"api.example:8443", "{target}");
        }
    }
}
