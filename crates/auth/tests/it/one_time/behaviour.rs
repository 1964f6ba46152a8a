//! What a token can do, and what it cannot.

use hardpoint_auth::one_time::LinkBase;
use hardpoint_core::Rejection;

use super::*;

fn is_invalid<T>(result: &Result<T, OneTimeError>) -> bool {
    matches!(result, Err(OneTimeError::Invalid))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_concurrent_consumptions_exactly_one_succeeds() {
    for _ in 0..50 {
        let fixture = Fixture::new();
        let token = issue(&fixture.tokens, b"state").await;
        assert_eq!(consumed_at_once(&[fixture.tokens], &token).await, 1);
    }
}

#[tokio::test]
async fn a_token_works_once_for_its_purpose_until_it_expires() {
    let fixture = Fixture::new();
    let tokens = &fixture.tokens;
    let token = issue(tokens, b"state").await;
    assert!(is_invalid(&tokens.find(Purpose::MagicLink, &token).await));
    // Finding it changes nothing.
    for _ in 0..3 {
        drop(tokens.find(RESET, &token).await.unwrap());
    }
    assert_eq!(consume(tokens, &token, b"state").await.unwrap(), "alice");
    assert!(is_invalid(&consume(tokens, &token, b"state").await));
    let token = issue(tokens, b"state").await;
    fixture.clock.advance(Duration::from_secs(30 * 60) - Duration::from_millis(1));
    assert!(tokens.find(RESET, &token).await.is_ok());
    fixture.clock.advance(Duration::from_millis(1));
    assert!(is_invalid(&tokens.find(RESET, &token).await));
}

#[tokio::test]
async fn only_the_newest_token_of_a_subject_works() {
    let tokens = Fixture::new().tokens;
    let (first, other) = (issue(&tokens, b"state").await, NewOneTimeToken::new(RESET, "bob"));
    let others = tokens.issue(other.data(b"data")).await.unwrap();
    let second = issue(&tokens, b"state").await;
    assert!(is_invalid(&consume(&tokens, &first, b"state").await));
    assert!(consume(&tokens, &second, b"state").await.is_ok());
    assert_eq!(consume(&tokens, others.expose(), b"").await.unwrap(), "bob");
}

#[tokio::test]
async fn a_changed_state_voids_a_token_for_good() {
    let fixture = Fixture::new();
    let token = issue(&fixture.tokens, b"old password").await;
    assert!(is_invalid(&consume(&fixture.tokens, &token, b"new password").await));
    assert!(is_invalid(&consume(&fixture.tokens, &token, b"old password").await));
    assert!(fixture.told.lock().unwrap().contains("result: Void"));
}

#[tokio::test]
async fn a_voided_token_is_gone() {
    let tokens = Fixture::new().tokens;
    let token = issue(&tokens, b"state").await;
    tokens.void(RESET, "alice").await.unwrap();
    assert!(is_invalid(&consume(&tokens, &token, b"state").await));
}

#[tokio::test]
async fn a_forged_token_is_unknown_and_voids_nothing() {
    let tokens = Fixture::new().tokens;
    let token = issue(&tokens, b"state").await;
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).unwrap();
        assert!(is_invalid(&consume(&tokens, &forged, b"state").await), "{place}");
    }
    for garbage in ["", "hot_", "hot_AAAA", "\0", &"A".repeat(1 << 20)] {
        assert!(is_invalid(&consume(&tokens, garbage, b"state").await));
    }
    assert!(consume(&tokens, &token, b"state").await.is_ok());
}

/// Otherwise who may send magic links could have passwords reset.
#[tokio::test]
async fn a_token_with_another_purpose_in_it_finds_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let tokens = Fixture::new().tokens;
    let link = NewOneTimeToken::new(Purpose::MagicLink, "alice");
    let token = tokens.issue(link).await.unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(&token.expose()["hot_".len()..]).unwrap();
    assert_eq!(bytes[..2], [1, 3], "the version and the purpose");
    bytes[1] = 4;
    let forged = format!("hot_{}", URL_SAFE_NO_PAD.encode(bytes));
    assert!(is_invalid(&tokens.find(RESET, &forged).await));
    let found = tokens.find(Purpose::MagicLink, token.expose()).await.unwrap();
    found.consume(b"").await.unwrap();
}

#[tokio::test]
async fn a_new_root_secret_leaves_links_and_codes_but_one_of_each() {
    let fixture = Fixture::new();
    let link = issue(&fixture.tokens, b"state").await;
    let code = NewOneTimeToken::new(Purpose::Code, "alice");
    let code = fixture.tokens.issue_code(code).await.unwrap();
    let later = root(2).previous(Secret::from(&[1; 32][..])).unwrap();
    let later = OneTimeTokens::builder(fixture.store.clone(), &later).build();
    later.consume_code("alice", code.expose(), b"").await.unwrap();
    let newer = issue(&later, b"state").await;
    assert!(is_invalid(&consume(&later, &link, b"state").await), "newest only");
    consume(&later, &newer, b"state").await.unwrap();
    // Another service with the same store and another root.
    let other = OneTimeTokens::builder(fixture.store, &root(9)).build();
    let link = issue(&fixture.tokens, b"state").await;
    assert!(consume(&other, &link, b"state").await.is_ok(), "a link needs no key, only the store");
}

#[tokio::test]
async fn a_code_has_five_tries_and_is_bound_to_its_state() {
    let tokens = Fixture::new().tokens;
    let new = NewOneTimeToken::new(Purpose::Code, "alice").state(b"this browser");
    for wrong in 0..6 {
        let code = tokens.issue_code(new).await.unwrap();
        assert_eq!(code.expose().len(), 8);
        for _ in 0..wrong {
            assert!(is_invalid(&tokens.consume_code("alice", "x", b"this browser").await));
        }
        let right = tokens.consume_code("alice", code.expose(), b"this browser").await;
        assert_eq!(right.is_ok(), wrong < 5, "{wrong} wrong tries");
        let again = tokens.consume_code("alice", code.expose(), b"this browser").await;
        assert!(is_invalid(&again), "once");
    }
    let code = tokens.issue_code(new).await.unwrap();
    assert!(is_invalid(&tokens.consume_code("alice", code.expose(), b"another browser").await));
    assert!(is_invalid(&tokens.consume_code("bob", code.expose(), b"this browser").await));
    tokens.consume_code("alice", code.expose(), b"this browser").await.unwrap();
}

#[tokio::test]
async fn a_stranger_who_knows_the_subject_cannot_use_up_the_tries_of_its_code() {
    let tokens = Fixture::new().tokens;
    let new = NewOneTimeToken::new(Purpose::Code, "alice").state(b"a secret of this browser");
    let code = tokens.issue_code(new).await.unwrap();
    for guess in 0..100 {
        let guess = format!("{guess:08}");
        assert!(is_invalid(&tokens.consume_code("alice", &guess, b"another").await));
    }
    tokens.consume_code("alice", code.expose(), b"a secret of this browser").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_guesses_of_a_code_have_five_tries_too() {
    let tokens = Fixture::new().tokens;
    for _ in 0..20 {
        let code = tokens.issue_code(NewOneTimeToken::new(Purpose::Code, "alice")).await.unwrap();
        let guess = |_| {
            let tokens = tokens.clone();
            tokio::spawn(
                async move { tokens.consume_code("alice", "00000000x", b"").await.is_err() },
            )
        };
        for guess in (0..100).map(guess).collect::<Vec<_>>() {
            assert!(guess.await.unwrap());
        }
        assert!(is_invalid(&tokens.consume_code("alice", code.expose(), b"").await));
    }
}

#[tokio::test]
async fn requests_are_capped_for_each_recipient_known_or_not_and_for_each_network() {
    let fixture = Fixture::new();
    let network = |last: u8| Some([203, 0, 113, last].into());
    let mut texts = Vec::new();
    for recipient in ["alice@example.org", "nobody@example.org"] {
        for number in 0..5 {
            fixture.tokens.admit(RESET, recipient, network(number)).await.unwrap();
        }
        let refused = fixture.tokens.admit(RESET, recipient, network(9)).await.unwrap_err();
        let problem = refused.problem();
        assert_eq!(problem.status().as_u16(), 429);
        texts.push(String::from_utf8(problem.to_json(None)).unwrap());
        fixture.tokens.admit(Purpose::MagicLink, recipient, None).await.unwrap();
    }
    assert_eq!(texts[0], texts[1]);
    fixture.clock.advance(Duration::from_secs(600));
    fixture.tokens.admit(RESET, "alice@example.org", network(0)).await.unwrap();
    let mut admitted = 0;
    for number in 0..100 {
        let user = format!("user{number}");
        admitted += u32::from(fixture.tokens.admit(RESET, &user, network(77)).await.is_ok());
    }
    assert_eq!(admitted, 60);
}

#[tokio::test]
async fn a_full_store_makes_no_token_and_voids_none() {
    let store = InMemory::new().capacity(1).into();
    let tokens = tokens(store).build();
    let token = issue(&tokens, b"state").await;
    let full = tokens.issue(NewOneTimeToken::new(RESET, "bob")).await.unwrap_err();
    assert_eq!(full.problem().status().as_u16(), 503);
    assert!(tokens.issue(NewOneTimeToken::new(RESET, "bob").data(&[0; 5_000])).await.is_err());
    consume(&tokens, &token, b"state").await.unwrap();
    tokens.issue(NewOneTimeToken::new(RESET, "bob")).await.unwrap();
}

#[tokio::test]
async fn sign_ups_of_strangers_leave_room_for_resets() {
    let tokens = tokens(InMemory::new().capacity(20).into()).build();
    let mut made = 0;
    for number in 0..100 {
        let address = format!("{number}@example.org");
        let new = NewOneTimeToken::new(Purpose::EmailVerification, &address);
        made += u32::from(tokens.issue(new).await.is_ok());
    }
    assert_eq!(made, 10);
    let token = issue(&tokens, b"state").await;
    consume(&tokens, &token, b"state").await.unwrap();
}

#[tokio::test]
async fn events_errors_and_debug_texts_hold_no_token_and_no_subject() {
    let fixture = Fixture::new();
    let token = issue(&fixture.tokens, b"canary-state").await;
    let found = fixture.tokens.find(RESET, &token).await.unwrap();
    let mut shown = format!("{found:?} {:?} {:?}", fixture.tokens, fixture.store);
    let new = NewOneTimeToken::new(Purpose::Code, "alice").state(b"canary-state");
    let code = fixture.tokens.issue_code(new).await.unwrap();
    let error = found.consume(b"other").await.unwrap_err();
    shown += &format!("{new:?} {code:?} {error:?} {error}");
    shown += &String::from_utf8(error.problem().to_json(None)).unwrap();
    shown += &fixture.told.lock().unwrap();
    for secret in [token.as_str(), &token[4..], code.expose(), "alice", "canary"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// The store keeps neither the token nor the code.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_the_store_holds_no_token() {
    use hardpoint_testkit::leak::memory_contains;

    let fixture = Fixture::new();
    let mut masked = {
        let token = fixture.tokens.issue(NewOneTimeToken::new(RESET, "alice")).await.unwrap();
        token.expose().as_bytes()[30..].iter().map(|byte| byte ^ 0x5A).collect::<Vec<u8>>()
    };
    assert!(!memory_contains(&masked), "the token is only in the mail");
    masked.clear();
}

#[test]
fn links_lead_to_a_configured_address_over_https() {
    let token = Secret::from("hot_x");
    for (base, link) in [
        ("https://app.example", "https://app.example/reset#token=hot_x"),
        ("https://app.example/", "https://app.example/reset#token=hot_x"),
        ("https://app.example/app/", "https://app.example/app/reset#token=hot_x"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000/reset#token=hot_x"),
        ("http://[::1]:3000", "http://[::1]:3000/reset#token=hot_x"),
        ("http://localhost", "http://localhost/reset#token=hot_x"),
    ] {
        assert_eq!(LinkBase::new(base).unwrap().link("reset", &token).expose(), link);
        assert_eq!(LinkBase::new(base).unwrap().link("/reset", &token).expose(), link);
    }
    for bad in [
        "http://app.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "app.example",
        "/reset",
        "",
        "ftp://app.example",
        "https://user:hunter2@app.example",
        "https://app.example?x=y",
        "https://app.example#x",
        "javascript:alert(1)",
    ] {
        let error = LinkBase::new(bad).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
