//! Normal forms of a password that has several encodings.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};
use zeroize::Zeroizing;

/// What happens to a password before it is hashed (Unicode Standard Annex 15).
///
/// The same `é` is one code point from one keyboard and two from another. Without normalisation the
/// user who set a password on one cannot log in on the other.
///
/// With [`Nfc`](Self::Nfc) or [`Nfkc`](Self::Nfkc), a password that it changes is verified in both
/// forms, so that hashes from before the setting still verify; the replacement at log-in is of the
/// normalised form. That takes two turns' work, and depends on what was typed, not on the account. After
/// the setting is removed, hashes of normalised passwords do not verify in the other form any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalization {
    /// Composed characters (NFC): texts that look the same are the same. For new services.
    Nfc,
    /// Composed characters in their compatibility form (NFKC): also `ﬁ` is `fi`, and full-width letters
    /// are letters. NIST SP 800-63B recommends a normalisation; this one makes passwords a little weaker.
    Nfkc,
    /// The bytes that the client sent. ASVS 5.0 §6.2.8 demands that a password is verified exactly as
    /// received, so this is the default.
    #[default]
    Off,
}

impl Normalization {
    /// The normalised form, or `None` if the password is in it already.
    pub(super) fn changed(self, password: &str) -> Option<Zeroizing<String>> {
        let normal: String = match self {
            Self::Nfc if is_nfc_quick(password.chars()) != IsNormalized::Yes => {
                password.nfc().collect()
            }
            Self::Nfkc if is_nfkc_quick(password.chars()) != IsNormalized::Yes => {
                password.nfkc().collect()
            }
            _ => return None,
        };
        Some(Zeroizing::new(normal)).filter(|normal| **normal != password)
    }
}
