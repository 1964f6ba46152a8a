//! The `WWW-Authenticate` of refusals (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9470 §3).

use hardpoint_core::Challenge;
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};

/// Writes a challenge of each scheme into a refusal that has the facts of one, and into a 401
/// without any.
pub(super) fn write<'a, B>(
    response: &mut Response<B>,
    realm: &str,
    schemes: impl Iterator<Item = &'a str>,
) {
    if !response.status().is_client_error() {
        return;
    }
    let challenge = response.extensions_mut().remove::<Challenge>();
    let is_bare = response.status() == StatusCode::UNAUTHORIZED
        && !response.headers().contains_key(WWW_AUTHENTICATE);
    if challenge.is_none() && !is_bare {
        return;
    }
    for scheme in schemes {
        let text = render(scheme, realm, challenge.as_ref());
        // The text is printable ASCII without stray quotes, so it is always a header's value.
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }
}

fn render(scheme: &str, realm: &str, challenge: Option<&Challenge>) -> String {
    let mut text = format!("{scheme} realm=\"{}\"", quotable(realm));
    let mut add = |name, value: Option<String>| {
        let parameter = value.map(|value| format!(", {name}=\"{}\"", quotable(&value)));
        text.extend(parameter);
    };
    if let Some(challenge) = challenge {
        add("error", Some(challenge.error().to_owned()));
        add("scope", challenge.required_scope().map(str::to_owned));
        add("max_age", challenge.required_max_age().map(|age| age.as_secs().to_string()));
    }
    text
}

/// The characters that a quoted string may contain as they are.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}
