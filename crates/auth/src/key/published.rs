//! Secrets that others know, or can guess. Pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Secrets that no pattern finds, and where they were published.
const PUBLISHED: [(&str, &str); 7] = [
    (
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "FastAPI's tutorial, OAuth2 with JWT tokens",
    ),
    (
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "tutorials of Spring Security",
    ),
    (
        "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
        "tutorials of Spring Boot",
    ),
    (
        "9a4f2c8d3b7a1e6f45c8a0b3f267d8b1d4e6f3c8a9d2b5f8e3a9c8b5f6v8a3d9",
        "tutorials of Spring Boot",
    ),
    (
        "AyM1SysPpbyfDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "RFC 7515, appendix A.1",
    ),
    ("GawgguFyGrWKav7AX4VKUg", "RFC 7517, appendix A.3"),
    ("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg", "RFC 7520, section 3.5"),
];

/// Words that placeholders contain. A random text in base64 contains one of them with a probability
/// below 10⁻⁶, in any case of its letters.
const WORDS: [&[u8]; 13] = [
    b"change-me",
    b"change_me",
    b"changeme",
    b"changeit",
    b"development",
    b"example",
    b"insecure",
    b"jwt-key",
    b"password",
    b"placeholder",
    b"private-key",
    b"secret",
    b"test-key",
];

/// Whether a secret is a published text, or the bytes that one encodes.
pub(super) fn is_published(secret: &[u8]) -> bool {
    let is = |bytes: Option<Vec<u8>>| bytes.is_some_and(|bytes| bytes == secret);
    secret.is_empty()
        || PUBLISHED.iter().any(|(text, _)| {
            text.as_bytes() == secret
                || is(hexadecimal(text))
                || is(URL_SAFE_NO_PAD.decode(text).ok())
        })
}

/// Whether a secret is a placeholder, a sequence, or the repetition of something shorter.
pub(super) fn has_pattern(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    let has_word = WORDS.iter().any(|word| lower.windows(word.len()).any(|part| part == *word));
    let half = secret.len() / 2;
    let repeats = (1..=half).any(|period| {
        secret.iter().zip(secret.iter().skip(period)).all(|(first, again)| first == again)
    });
    has_word || repeats || is_sequence(secret)
}

/// Whether most bytes follow the one before them: `abcdef`, `0123456789012`, or counted bytes, up or
/// down.
fn is_sequence(secret: &[u8]) -> bool {
    let pairs = || secret.iter().zip(secret.iter().skip(1));
    let runs =
        |step: u8| pairs().filter(|(first, next)| first.wrapping_add(step) == **next).count();
    let most = runs(1).max(runs(u8::MAX));
    secret.len() >= 8 && most * 10 >= (secret.len() - 1) * 8
}

/// Decodes a hexadecimal text.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_secrets_are_found_as_text_and_as_bytes() {
        for (text, source) in PUBLISHED {
            assert!(is_published(text.as_bytes()) && !source.is_empty());
        }
        let (fastapi, rfc) = (PUBLISHED[0].0, PUBLISHED[6].0);
        assert!(is_published(&hexadecimal(fastapi).unwrap()));
        assert!(is_published(&URL_SAFE_NO_PAD.decode(rfc).unwrap()));
    }

    #[test]
    fn placeholders_sequences_and_repetitions_are_patterns() {
        let counted: Vec<u8> = (0..64).collect();
        for pattern in [
            &b"your-256-bit-secret"[..],
            b"a-string-secret-at-least-256-bits-long",
            b"super-secret-jwt-token-with-at-least-32-characters-long",
            b"THIS_IS_A_DEVELOPMENT_KEY_FOR_LOCAL_USE",
            b"django-insecure-k3!x@9s0v%2lq8w7e6r5t4y3u2i1o0p",
            b"0123456789abcdef0123456789abcdef",
            b"12345678901234567890123456789012",
            b"abcdefghijklmnopqrstuvwxyz0123456789",
            b"correcthorsecorrecthorsecorrecthorse",
            &counted,
        ] {
            assert!(has_pattern(pattern), "{}", String::from_utf8_lossy(pattern));
        }
    }

    #[test]
    fn random_secrets_have_no_pattern() {
        let mut bytes = [0; 64];
        for _ in 0..2_000 {
            getrandom::fill(&mut bytes).unwrap();
            assert!(!has_pattern(&bytes) && !is_published(&bytes));
            let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!has_pattern(text.as_bytes()));
        }
    }
}
