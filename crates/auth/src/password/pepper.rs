//! Secrets that a hash needs beside the password.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hardpoint_core::Secret;
use zeroize::Zeroizing;

/// The peppers of a hasher: without these secrets, a thief of the hashes cannot test guesses.
///
/// The first pepper makes new hashes, the others only verify. The id of its pepper is stored in each
/// hash, so a pepper is replaced like this: put a new one first, and let log-ins replace the hashes; once
/// no hash has the old id, remove it. A hash whose pepper is missing is an error, never a wrong password.
///
/// Keep peppers apart from the hashes, in the secret store, and do not derive them from another secret:
/// such a secret is replaced after a leak, but without its pepper no stored password verifies any more.
/// Back them up. `Debug` shows only the ids.
///
/// ```
/// use hardpoint_auth::password::PepperRing;
/// use hardpoint_core::Secret;
///
/// let text = Secret::from("2026b:7RDrwx7yO5zDQGRpCMyGWQ, 2026a:vK7vD1k2e2dVYp0wF3S7pA");
/// let peppers = PepperRing::parse(&text)?;
/// assert_eq!(peppers.current().to_string(), "2026b");
/// # Ok::<(), hardpoint_auth::password::PepperError>(())
/// ```
#[derive(Clone)]
pub struct PepperRing {
    peppers: Arc<[Pepper]>,
}

#[derive(Clone)]
struct Pepper {
    id: PepperId,
    secret: Arc<Secret<[u8]>>,
}

/// Base64 in both alphabets, with or without padding, as `openssl rand -base64 32` writes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

impl PepperRing {
    /// The least length of a pepper, in bytes: NIST SP 800-63B demands 112 bits. 32 are a good choice.
    pub const MIN_BYTES: usize = 16;
    /// The most peppers of a ring. It never needs more than two for long.
    pub const MAX_PEPPERS: usize = 16;

    /// A ring of one pepper.
    ///
    /// # Errors
    /// [`PepperError::TooShort`].
    pub fn new(id: PepperId, secret: Secret<[u8]>) -> Result<Self, PepperError> {
        Self { peppers: [].into() }.previous(id, secret)
    }

    /// Adds a pepper that only verifies.
    ///
    /// # Errors
    /// [`PepperError`] if it is too short, its id is taken, or the ring has too many.
    pub fn previous(self, id: PepperId, secret: Secret<[u8]>) -> Result<Self, PepperError> {
        let found = secret.expose().len();
        if found < Self::MIN_BYTES {
            return Err(PepperError::TooShort { id, found });
        }
        if self.find(id).is_some() {
            return Err(PepperError::Duplicate(id));
        }
        if self.peppers.len() >= Self::MAX_PEPPERS {
            return Err(PepperError::TooMany);
        }
        let added = Pepper { id, secret: secret.into_shared() };
        Ok(Self { peppers: self.peppers.iter().cloned().chain([added]).collect() })
    }

    /// Reads `id:secret` entries, separated by commas or white space, the current one first. Secrets are
    /// in base64; `=` is also read for `:`.
    ///
    /// # Errors
    /// [`PepperError`] names the entry by its id or its place, and never shows a secret.
    pub fn parse(text: &Secret<str>) -> Result<Self, PepperError> {
        let mut ring = Self { peppers: [].into() };
        let is_gap = |character: char| character == ',' || character.is_whitespace();
        let entries = text.expose().split(is_gap).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let malformed = PepperError::Malformed { place: index + 1 };
            let (id, secret) = entry.split_once([':', '=']).ok_or(malformed)?;
            let id: PepperId = id.parse().map_err(|_| malformed)?;
            let standard: String = secret.chars().map(in_standard_alphabet).collect();
            let bytes = BASE64.decode(&*Zeroizing::new(standard));
            let bytes = Zeroizing::new(bytes.map_err(|_| PepperError::Base64(id))?);
            ring = ring.previous(id, Secret::from(bytes.as_slice()))?;
        }
        if ring.peppers.is_empty() { Err(PepperError::Empty) } else { Ok(ring) }
    }

    /// The id of the pepper that new hashes get.
    ///
    /// # Panics
    /// Never: a ring has at least one pepper.
    #[must_use]
    #[expect(clippy::expect_used, reason = "every constructor returns a ring of at least one")]
    pub fn current(&self) -> PepperId {
        self.peppers.first().expect("a ring has a pepper").id
    }

    /// Whether one of the peppers is this secret. A pepper that is also used for something else cannot be
    /// kept when that is replaced: compare it with the other secrets at start.
    #[must_use]
    pub fn contains(&self, secret: &Secret<[u8]>) -> bool {
        self.peppers.iter().any(|pepper| pepper.secret.ct_eq(secret.expose()))
    }

    pub(super) fn find(&self, id: PepperId) -> Option<&[u8]> {
        let pepper = self.peppers.iter().find(|pepper| pepper.id == id)?;
        Some(pepper.secret.expose())
    }
}

fn in_standard_alphabet(character: char) -> char {
    match character {
        '-' => '+',
        '_' => '/',
        _ => character,
    }
}

impl fmt::Debug for PepperRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.peppers.iter().map(|pepper| pepper.id)).finish()
    }
}

/// The name of a pepper: 1 to 8 letters, digits, `-`, `_` or `.`. It is public, and part of each hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PepperId {
    bytes: [u8; Self::MAX_BYTES],
    len: u8,
}

impl PepperId {
    /// The longest id, which the PHC string format of Argon2 sets.
    pub const MAX_BYTES: usize = 8;

    pub(super) fn from_bytes(name: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let mut bytes = [0; Self::MAX_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        let len = u8::try_from(name.len()).ok()?;
        (len > 0 && name.iter().all(is_plain)).then_some(Self { bytes, len })
    }

    pub(super) fn as_str(&self) -> &str {
        let name = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }
}

impl FromStr for PepperId {
    type Err = PepperError;

    /// # Errors
    /// [`PepperError::Id`].
    fn from_str(text: &str) -> Result<Self, PepperError> {
        Self::from_bytes(text.as_bytes()).ok_or(PepperError::Id)
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PepperId({self})")
    }
}

/// Peppers cannot be used. No secret is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// The secret of this pepper is not base64.
    #[error(
        "the secret of the pepper {0} is not base64; write the output of `openssl rand -base64 32`"
    )]
    Base64(PepperId),
    /// Two peppers have this id.
    #[error("two peppers have the id {0}; give each its own, and never use one again")]
    Duplicate(PepperId),
    /// The ring has no pepper.
    #[error(
        "the text contains no pepper; write `id:secret`, with a secret of `openssl rand -base64 32`"
    )]
    Empty,
    /// A text is not an id.
    #[error("a pepper's id has 1 to 8 letters, digits, `-`, `_` or `.`")]
    Id,
    /// An entry is not an id and a secret.
    #[error(
        "the pepper at place {place} is not `id:secret` with an id of 1 to 8 letters and digits"
    )]
    Malformed {
        /// Its place, from 1.
        place: usize,
    },
    /// The ring has too many peppers.
    #[error(
        "a ring has at most {} peppers; remove those that no stored hash has",
        PepperRing::MAX_PEPPERS
    )]
    TooMany,
    /// The secret of a pepper is too short.
    #[error(
        "the secret of the pepper {id} has {found} bytes; write at least 16, such as the output of \
         `openssl rand -base64 32`"
    )]
    TooShort {
        /// The pepper's id.
        id: PepperId,
        /// The length of its secret, in bytes.
        found: usize,
    },
}
