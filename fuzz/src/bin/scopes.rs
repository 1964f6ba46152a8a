//! Any text as scopes: accepted is what RFC 6749 §3.3 writes, and it means what it says.
#![cfg_attr(fuzzing, no_main)]

use hardpoint_auth::Scopes;

hardpoint_fuzz::target!(check);

fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_list = text
        .chars()
        .all(|letter| matches!(letter, ' ' | '\u{21}' | '\u{23}'..='\u{5b}' | '\u{5d}'..='\u{7e}'));
    // A requirement is never empty.
    let is_list = is_list && text.contains(|letter| letter != ' ');
    let scopes = match text.parse::<Scopes>() {
        Ok(scopes) => scopes,
        Err(error) => {
            assert!(!is_list && error.to_string().bytes().all(|byte| byte >= b' '));
            return;
        }
    };
    assert!(is_list);
    let names: Vec<_> = text.split(' ').filter(|name| !name.is_empty()).collect();
    assert!(names.iter().all(|name| scopes.contains(name)));
    assert!(scopes.iter().all(|name| names.contains(&name)));
    let own: Vec<_> = scopes.iter().collect();
    assert!(own.iter().all(|name| own.iter().filter(|other| *other == name).count() == 1));
    assert!(!scopes.contains("") && (text.contains(' ') || scopes.as_str() == text));
    assert!(!text.contains(' ') || !scopes.contains(text));
    assert_eq!(scopes.as_str().parse(), Ok(scopes.clone()));
}
