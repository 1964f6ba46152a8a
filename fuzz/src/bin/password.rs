//! Any text as a stored password hash, as a list of common passwords, as a ring of peppers, and as a new
//! password with the words of its context.
#![cfg_attr(fuzzing, no_main)]

use std::sync::LazyLock;

use hardpoint_auth::password::{
    PasswordHash, PasswordHasher, PasswordList, PasswordPolicy, PepperRing, WeakPassword,
};
use hardpoint_core::Secret;

hardpoint_fuzz::target!(check);

static HASHER: LazyLock<PasswordHasher> = LazyLock::new(PasswordHasher::new);
static POLICY: LazyLock<PasswordPolicy> = LazyLock::new(PasswordPolicy::default);

fn check(data: &[u8]) {
    if let Ok(list) = PasswordList::from_bytes(data.to_vec()) {
        assert_eq!(list.to_bytes(), data);
        assert!(list.false_positive_rate() <= 1e-6);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    stored(text);
    chosen(text);
    // Every text is read or refused.
    let _ring = PepperRing::parse(&Secret::from(text));
}

fn stored(text: &str) {
    let (own, any) = (PasswordHash::parse(text), PasswordHash::parse_imported(text));
    if own.is_ok() {
        assert!(any == own, "the wider parser reads the same");
    }
    if let Ok(hash) = any {
        assert_eq!(hash.as_str(), text, "what is stored is not changed");
        // The ceiling is compared without any work.
        let _is_allowed = HASHER.check(&hash);
        assert!(!format!("{hash:?}").contains(text) || text.len() < 20);
    }
}

fn chosen(text: &str) {
    let mut lines = text.lines();
    let password = lines.next().unwrap_or_default();
    let context: Vec<&str> = lines.collect();
    let result = POLICY.check(&Secret::from(password), &context);
    let (chars, bytes) = (password.chars().count(), password.len());
    match result {
        Err(WeakPassword::TooLong(most)) => assert!(bytes > most),
        Err(WeakPassword::TooShort(least)) => assert!(chars < least),
        _ => assert!(chars >= 15 && bytes <= 1024),
    }
    // The context only ever refuses more.
    if result.is_ok() {
        assert_eq!(POLICY.check(&Secret::from(password), &[]), Ok(()));
    }
}
