//! Ids that cannot be guessed.

/// Returns 128 random bits in hexadecimal, or `None` if the system provides no randomness.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
