//! Ids that nobody can guess.

/// 128 random bits as hexadecimal digits; `None` if the system gives no randomness.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
