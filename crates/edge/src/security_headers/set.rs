//! The set of headers, rendered once.

use hardpoint_core::Scheme;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, SERVER,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

use super::{
    ConfigError,
    check::{CROSS_ORIGIN_RESOURCE_POLICY, check},
};

/// The headers that every response gets, and those it loses.
///
/// Start from a preset and change what differs:
///
/// ```
/// use hardpoint_edge::SecurityHeaders;
/// use http::header::{CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
///
/// let headers = SecurityHeaders::api()
///     .header(CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'")?
///     .enforce(X_FRAME_OPTIONS)?;
/// # Ok::<(), hardpoint_edge::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SecurityHeaders {
    fields: Vec<Field>,
    removed: Vec<HeaderName>,
}

#[derive(Clone, Debug)]
struct Field {
    name: HeaderName,
    value: HeaderValue,
    when: When,
    enforced: bool,
}

/// Which responses get a header.
#[derive(Clone, Copy, Debug)]
enum When {
    Always,
    Https,
}

impl When {
    fn of(name: &HeaderName) -> Self {
        if name == STRICT_TRANSPORT_SECURITY { Self::Https } else { Self::Always }
    }

    fn includes(self, scheme: Option<Scheme>) -> bool {
        match self {
            Self::Always => true,
            Self::Https => scheme == Some(Scheme::Https),
        }
    }
}

impl SecurityHeaders {
    /// For a service whose responses are not meant to be displayed by browsers: forbids everything.
    ///
    /// | header | value | why |
    /// |---|---|---|
    /// | `X-Content-Type-Options` | `nosniff` | browsers must use the declared content type instead of guessing |
    /// | `X-Frame-Options` | `DENY` | for browsers without `frame-ancestors` |
    /// | `Content-Security-Policy` | `default-src 'none'; frame-ancestors 'none'` | a response that is displayed as a page anyway loads and runs nothing |
    /// | `Referrer-Policy` | `no-referrer` | ids in URLs are not sent to other sites |
    /// | `Cross-Origin-Resource-Policy` | `same-origin` | pages of other sites cannot load a response as an image or a script |
    /// | `Strict-Transport-Security` | `max-age=31536000` | one year; sent over https only; subdomains are for their owners to decide |
    /// | `Cache-Control` | `no-store` | a response may be private unless its handler declares otherwise |
    ///
    /// `Server` and `X-Powered-By` are removed.
    pub fn api() -> Self {
        let field = |name: HeaderName, value| Field {
            when: When::of(&name),
            value: HeaderValue::from_static(value),
            enforced: false,
            name,
        };
        Self {
            fields: vec![
                field(X_CONTENT_TYPE_OPTIONS, "nosniff"),
                field(X_FRAME_OPTIONS, "DENY"),
                field(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
                field(REFERRER_POLICY, "no-referrer"),
                field(CROSS_ORIGIN_RESOURCE_POLICY.clone(), "same-origin"),
                field(STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
                field(CACHE_CONTROL, "no-store"),
            ],
            removed: vec![SERVER, HeaderName::from_static("x-powered-by")],
        }
    }

    /// An empty set: adds nothing and removes nothing.
    pub const fn none() -> Self {
        Self { fields: Vec::new(), removed: Vec::new() }
    }

    /// Sends this header unless the handler has set it. Replaces the set's previous value.
    ///
    /// # Errors
    /// [`ConfigError`] if the value is empty or is not visible ASCII, or, for the headers of the
    /// presets, if browsers would ignore the value or it would not protect.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Self, ConfigError> {
        let written = value.trim();
        let visible = |byte| matches!(byte, b' '..=b'~');
        let rendered = HeaderValue::from_str(written)
            .ok()
            .filter(|_| !written.is_empty() && written.bytes().all(visible));
        let Some(rendered) = rendered else {
            let value = value.to_owned();
            return Err(ConfigError::HeaderValue { name, value });
        };
        if let Err(reason) = check(&name, written) {
            return Err(ConfigError::HeaderPolicy { name, value: value.to_owned(), reason });
        }
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(field) => field.value = rendered,
            None => self.fields.push(Field {
                when: When::of(&name),
                value: rendered,
                enforced: false,
                name,
            }),
        }
        Ok(self)
    }

    /// Sends the set's value of this header even if the handler has set another one. By default, no
    /// header is enforced: the handler's value takes precedence.
    ///
    /// # Errors
    /// [`ConfigError::HeaderNotSet`] if the set has no value for it.
    pub fn enforce(mut self, name: HeaderName) -> Result<Self, ConfigError> {
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(field) => {
                field.enforced = true;
                Ok(self)
            }
            None => Err(ConfigError::HeaderNotSet { name }),
        }
    }

    /// Does not send this header. A handler can still set it.
    pub fn without(mut self, name: &HeaderName) -> Self {
        self.fields.retain(|field| field.name != name);
        self
    }

    /// Removes this header from every response, unless the set itself sends it.
    pub fn add_removed(mut self, name: HeaderName) -> Self {
        self.removed.push(name);
        self
    }

    /// Returns `true` if a header of the set depends on the scheme.
    pub(super) fn asks_for_scheme(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.when, When::Https))
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap, scheme: Option<Scheme>) {
        for name in &self.removed {
            headers.remove(name);
        }
        // Grows once instead of doubling repeatedly. It fails only beyond 24,576 headers, more than
        // any server sends.
        if headers.try_reserve(self.fields.len()).is_err() {
            return;
        }
        for field in self.fields.iter().filter(|field| field.when.includes(scheme)) {
            match headers.entry(&field.name) {
                Entry::Vacant(slot) => {
                    slot.insert(field.value.clone());
                }
                Entry::Occupied(mut slot) if field.enforced => {
                    slot.insert(field.value.clone());
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

impl Default for SecurityHeaders {
    /// Returns the preset [`api`](Self::api).
    fn default() -> Self {
        Self::api()
    }
}
