//! Base64url without padding (RFC 7515 §2), decoded strictly: with padding, blanks or trailing bits it
//! is refused.
//!
//! Decoding is a tenth of a verification with HS256, so it uses the vector instructions of the
//! processor, which are detected at the first use.

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use std::sync::LazyLock;

use base64::{DecodeSliceError, Engine};

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
static ENGINE: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
static ENGINE: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes a text into a buffer, and returns the length of the result.
pub(super) fn decode(text: &str, buffer: &mut [u8]) -> Result<usize, DecodeSliceError> {
    ENGINE.decode_slice(text, buffer)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut buffer = vec![0; text.len()];
        let length = decode(text, &mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    proptest! {
        #[test]
        fn the_vector_instructions_decode_what_the_portable_code_decodes(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            place in any::<prop::sample::Index>(),
            other in any::<char>(),
        ) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(decoded(&text), Some(bytes));

            let mut chars: Vec<char> = text.chars().collect();
            if !chars.is_empty() {
                let place = place.index(chars.len());
                chars[place] = other;
            }
            let damaged: String = chars.into_iter().collect();
            prop_assert_eq!(decoded(&damaged), URL_SAFE_NO_PAD.decode(&damaged).ok());
        }
    }

    #[test]
    fn a_text_has_one_spelling_only() {
        let long = "A".repeat(128);
        for end in ["", "QQ", "QUE"] {
            assert!(decoded(&format!("{long}{end}")).is_some(), "{end:?}");
        }
        for end in ["Q", "QR", "QUF", "QQ==", "QQ=", "+Q", "/Q", "QQ ", "\nQQ"] {
            assert_eq!(decoded(&format!("{long}{end}")), None, "{end:?}");
        }
    }
}
