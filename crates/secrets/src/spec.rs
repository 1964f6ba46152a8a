//! What a secret must be like.

use std::borrow::Cow;

use crate::Mode;

/// What one secret is called and must be like.
///
/// Every secret is required unless its spec says otherwise, and is refused if it is a placeholder
/// (`changeme`, `your-256-bit-secret`, `<key>`, `${KEY}`, `xxxx`), its own name, or one byte over
/// and over. In [`Mode::Lenient`] such weakness is a warning.
///
/// A name consists of letters, digits and `_`, and does not end in `_FILE`: anything else is a
/// problem when the secrets are loaded.
#[derive(Clone, Debug)]
#[must_use]
pub struct Spec {
    name: Cow<'static, str>,
    kind: Kind,
    presence: Presence,
    min_bytes: usize,
    hint: Option<Cow<'static, str>>,
}

/// How the value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Base64,
    Pem,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Optional,
    Required,
    RequiredWhenStrict,
}

impl Spec {
    /// A password, a token, a URL with credentials: UTF-8 without white space at either end. Read
    /// it with [`Secrets::text`](crate::Secrets::text).
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Text, 1)
    }

    /// Key material in base64, on one line. The alphabet may be the standard or the URL-safe one,
    /// padding may be left out. Read the decoded bytes with
    /// [`Secrets::bytes`](crate::Secrets::bytes).
    ///
    /// A key that repeats a pattern, counts, or whose bytes are too uneven to be random (16 bytes
    /// or more with less than 3 bits of Shannon entropy a byte, or 0.6 of what so few bytes can
    /// have) is weak. A random key is not by chance: of 32 bytes fewer than one in 2^80.
    pub fn base64(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Base64, 32)
    }

    /// One or more PEM blocks (RFC 7468). That the lines are complete is checked here, what is in
    /// them by whoever uses the key. Read it with [`Secrets::text`](crate::Secrets::text).
    pub fn pem(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Pem, 1)
    }

    const fn new(name: Cow<'static, str>, kind: Kind, min_bytes: usize) -> Self {
        Self { name, kind, presence: Presence::Required, min_bytes, hint: None }
    }

    /// Its absence is a problem. This is the default: whoever forgets to say so is safe.
    pub const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }

    /// Its absence is a problem in [`Mode::Strict`], and fine in [`Mode::Lenient`]: for a key that
    /// the application makes up for itself in development. Default: required in both.
    pub const fn required_when_strict(mut self) -> Self {
        self.presence = Presence::RequiredWhenStrict;
        self
    }

    /// Its absence is fine. If it is there, it must be good all the same. Default: required.
    pub const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    /// The fewest bytes that the value may have, as it is handed out: UTF-8 for a text, decoded for
    /// base64. It holds in every [`Mode`], so that whoever uses the key can rely on it.
    ///
    /// Default: 32 for base64, the 256 bits that HMAC-SHA-256, HKDF and AES-256 want; 1 for text
    /// and PEM, whose length was somebody else's choice. Raising it costs nothing but secrets that
    /// have to be made anew. 0 acts as 1: an empty secret is never accepted.
    pub const fn min_bytes(mut self, bytes: usize) -> Self {
        self.min_bytes = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// How to get a good value, added to what the report advises: ``take the output of `openssl
    /// genpkey -algorithm ed25519` ``. Default: for base64 the command that makes one, else
    /// nothing.
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The secret's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) const fn least(&self) -> usize {
        self.min_bytes
    }

    pub(crate) fn is_required(&self, mode: Mode) -> bool {
        match self.presence {
            Presence::Optional => false,
            Presence::Required => true,
            Presence::RequiredWhenStrict => mode == Mode::Strict,
        }
    }

    /// `remedy`, and how to get a good value if that is known.
    pub(crate) fn advise(&self, remedy: &str) -> String {
        match (&self.hint, self.kind) {
            (Some(hint), _) => format!("{remedy}: {hint}"),
            (None, Kind::Base64) => format!(
                "{remedy}: take the output of `openssl rand -base64 {}` without its line breaks",
                self.min_bytes
            ),
            (None, Kind::Pem | Kind::Text) => remedy.to_owned(),
        }
    }
}
