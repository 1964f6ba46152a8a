//! The specification of a secret.

use std::borrow::Cow;

use crate::Mode;

/// The name of a secret and its requirements.
///
/// A secret is required by default. The loader refuses a value that is a placeholder (`changeme`,
/// `your-256-bit-secret`, `<key>`, `${KEY}`, `xxxx`), the secret's own name, or a single repeated
/// byte. In [`Mode::Lenient`] such a value is a warning.
///
/// A name consists of letters, digits and `_`, and does not end in `_FILE`. The loader reports any
/// other name as a problem.
#[derive(Clone, Debug)]
#[must_use]
pub struct Spec {
    name: Cow<'static, str>,
    kind: Kind,
    presence: Presence,
    min_bytes: usize,
    exact_bytes: Option<usize>,
    equals: Vec<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
}

/// The format of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Base64,
    Hex,
    Pem,
    Raw,
    Text,
}

impl Kind {
    /// The encoding of a key, in words.
    pub(crate) const fn encoding(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hexadecimal",
            Self::Pem => "PEM",
            Self::Raw => "raw bytes",
            Self::Text => "text",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Optional,
    Required,
    RequiredWhenStrict,
}

impl Spec {
    /// A text in UTF-8, such as a password, a token or a URL with credentials. It has neither
    /// whitespace nor quotation marks around it, and no invisible characters. Read it with [`Secrets::text`](crate::Secrets::text).
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Text, 1)
    }

    /// Key material in base64 on one line, in the standard or the URL-safe alphabet, with or
    /// without padding. Read the decoded bytes with [`Secrets::bytes`](crate::Secrets::bytes).
    ///
    /// A key is weak if it repeats a pattern, is a counting sequence, or has too little entropy to
    /// be random. The entropy check applies from 16 bytes on and requires 3 bits of Shannon entropy
    /// per byte, or 0.6 of the maximum for the key's length if that is lower. The checks misjudge
    /// fewer than one in 2^80 random keys of 32 bytes.
    ///
    /// A text in another encoding is refused even where its characters are valid base64, because it
    /// decodes to another key: hexadecimal, base32, a UUID, and base64 or hexadecimal that was
    /// encoded once more. So are raw bytes and PEM. The report names the encoding and the command
    /// that converts it. A random key of 32 bytes looks like one of these with a probability below
    /// 2^-40.
    pub fn base64(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Base64, 32)
    }

    /// Key material in hexadecimal, on one line, in either case, without a prefix or separators. Read
    /// the decoded bytes with [`Secrets::bytes`](crate::Secrets::bytes). Otherwise the rules of
    /// [`base64`](Self::base64) apply.
    pub fn hex(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Hex, 32)
    }

    /// Key material as the bytes of a file, unchanged: a line break at its end belongs to the key.
    /// A variable cannot contain such a key and is refused. Read it with
    /// [`Secrets::bytes`](crate::Secrets::bytes). A file that contains the key as text, in base64 or
    /// in hexadecimal, is refused.
    pub fn raw(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Raw, 32)
    }

    /// One or more PEM blocks (RFC 7468), with any text around them. The loader checks only that
    /// the blocks are complete; the code that uses the key checks its content. If a value contains
    /// no block, the report names its format (DER, a JWK, SSH, a path) and the command that
    /// converts it. Read it with [`Secrets::text`](crate::Secrets::text).
    pub fn pem(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name.into(), Kind::Pem, 1)
    }

    const fn new(name: Cow<'static, str>, kind: Kind, min_bytes: usize) -> Self {
        Self {
            name,
            kind,
            presence: Presence::Required,
            min_bytes,
            exact_bytes: None,
            equals: Vec::new(),
            hint: None,
        }
    }

    /// Makes the absence of the secret a problem. This is the default.
    pub const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }

    /// Makes the absence of the secret a problem only in [`Mode::Strict`], for a key that the
    /// application generates itself in development. Default: required in both modes.
    pub const fn required_when_strict(mut self) -> Self {
        self.presence = Presence::RequiredWhenStrict;
        self
    }

    /// Allows the absence of the secret. If it is present, all checks still apply. Default:
    /// required.
    pub const fn optional(mut self) -> Self {
        self.presence = Presence::Optional;
        self
    }

    /// Sets the minimum length in bytes of the value as returned: UTF-8 for text, decoded for
    /// base64. It applies in every [`Mode`], so that the code that uses the key can rely on it.
    ///
    /// Default: 32 for keys (base64, hex and raw), the 256 bits that HMAC-SHA-256, HKDF and AES-256 need; 1 for text
    /// and PEM, whose length the application usually cannot choose. A higher minimum only requires
    /// shorter secrets to be replaced. 0 acts as 1: an empty secret is never accepted.
    pub const fn min_bytes(mut self, bytes: usize) -> Self {
        self.min_bytes = if bytes == 0 { 1 } else { bytes };
        self.exact_bytes = None;
        self
    }

    /// Requires exactly this many bytes, for a key of an algorithm that takes no other: 32 for
    /// AES-256. Replaces [`min_bytes`](Self::min_bytes). Default: any length from the minimum on. 0
    /// acts as 1.
    pub const fn exact_bytes(mut self, bytes: usize) -> Self {
        self = self.min_bytes(bytes);
        self.exact_bytes = Some(self.min_bytes);
        self
    }

    /// Allows this secret to have the same value as the secret `other`, for one credential that two
    /// settings need. Naming it in one of the two specs is enough. Default: two secrets with the
    /// same value are weak, because a leak of one reveals the other.
    pub fn may_equal(mut self, other: impl Into<Cow<'static, str>>) -> Self {
        self.equals.push(other.into());
        self
    }

    /// Sets a hint on how to get a good value, which the report adds to its remedy: ``take the
    /// output of `openssl genpkey -algorithm ed25519` ``. Default: for base64, hex and raw the command
    /// that generates a key, otherwise none.
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

    /// The exact length, if set.
    pub(crate) const fn most(&self) -> Option<usize> {
        self.exact_bytes
    }

    pub(crate) fn allows(&self, other: &str) -> bool {
        self.equals.iter().any(|name| name == other)
    }

    pub(crate) fn is_required(&self, mode: Mode) -> bool {
        match self.presence {
            Presence::Optional => false,
            Presence::Required => true,
            Presence::RequiredWhenStrict => mode == Mode::Strict,
        }
    }

    /// Appends the hint to `remedy`, if there is one.
    pub(crate) fn advise(&self, remedy: &str) -> String {
        let bytes = self.min_bytes;
        match (&self.hint, self.kind) {
            (Some(hint), _) => format!("{remedy}: {hint}"),
            (None, Kind::Base64) => format!(
                "{remedy}: take the output of `openssl rand -base64 {bytes}` without its line breaks"
            ),
            (None, Kind::Hex) => {
                format!("{remedy}: take the output of `openssl rand -hex {bytes}`")
            }
            (None, Kind::Raw) => {
                format!("{remedy}: make the file with `openssl rand -out FILE {bytes}`")
            }
            (None, Kind::Pem | Kind::Text) => remedy.to_owned(),
        }
    }
}
