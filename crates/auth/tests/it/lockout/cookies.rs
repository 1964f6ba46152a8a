//! Device cookies: what they are bound to, and what they cannot do.

use super::*;

async fn cookie(fixture: &Fixture, account: &str) -> DeviceCookie {
    fixture.guard.reserve(account, &stranger(1)).await.unwrap().succeeded().unwrap()
}

async fn is_known(guard: &LoginGuard, account: &str, client: &LoginClient) -> bool {
    let attempt = guard.reserve(account, client).await.unwrap();
    let is_known = attempt.is_known_device();
    attempt.unverified();
    is_known
}

fn pair(cookie: &DeviceCookie) -> (String, String) {
    let header = cookie.header();
    let pair = header.to_str().unwrap().split(';').next().unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    (name.to_owned(), value.to_owned())
}

fn sends(texts: &[&str]) -> LoginClient {
    let headers = texts.iter().map(|text| (COOKIE, text.parse().unwrap()));
    LoginClient::new().cookies(&HeaderMap::from_iter(headers))
}

#[tokio::test]
async fn a_cookie_is_for_this_host_over_https_and_not_for_scripts() {
    let cookie = cookie(&Fixture::new(), OWNER).await;
    let header = cookie.header();
    assert!(header.is_sensitive());
    let text = header.to_str().unwrap();
    assert!(text.starts_with("__Host-device-"), "{text}");
    for attribute in ["Path=/", "Max-Age=15552000", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(text.split("; ").any(|part| part == attribute), "{attribute} in {text}");
    }
    assert!(!text.contains("Domain"), "{text}");
}

#[tokio::test]
async fn a_cookie_works_for_its_account_only() {
    let fixture = Fixture::new();
    let (alices, bobs) = (cookie(&fixture, OWNER).await, cookie(&fixture, "bob").await);
    assert!(is_known(&fixture.guard, OWNER, &device(&alices)).await);
    assert!(!is_known(&fixture.guard, "bob", &device(&alices)).await);
    // The value of one under the name of the other.
    let forged = format!("{}={}", pair(&bobs).0, pair(&alices).1);
    assert!(!is_known(&fixture.guard, "bob", &sends(&[&forged])).await);
    // Two accounts in one browser, and cookies of others before them.
    let both = format!(
        "theme=dark; {}={}; {}={}",
        pair(&alices).0,
        pair(&alices).1,
        pair(&bobs).0,
        pair(&bobs).1
    );
    assert!(is_known(&fixture.guard, OWNER, &sends(&[&both])).await);
    assert!(is_known(&fixture.guard, "bob", &sends(&["a=b", &both])).await);
}

#[tokio::test]
async fn other_cookies_of_the_header_do_not_hide_a_device() {
    let fixture = Fixture::new();
    let (name, value) = pair(&cookie(&fixture, OWNER).await);
    for before in [&b"city=K\xc3\xb6ln"[..], b"x=\xff", b"__Host-device-\xff=\xff"] {
        let bytes = [before, format!("; {name}={value}").as_bytes()].concat();
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(&bytes).unwrap())]);
        assert!(is_known(&fixture.guard, OWNER, &LoginClient::new().cookies(&headers)).await);
    }
}

#[tokio::test]
async fn a_forged_or_changed_cookie_is_unknown() {
    let fixture = Fixture::new();
    let (name, value) = pair(&cookie(&fixture, OWNER).await);
    let other = LoginGuard::builder(AttemptStore::memory(), &root(9)).build().unwrap();
    let foreign = other.reserve(OWNER, &stranger(1)).await.unwrap().succeeded().unwrap();
    let mut forged = vec![String::new(), "x".into(), value[1..].into(), pair(&foreign).1];
    for place in 0..value.len() {
        let mut bytes = value.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        forged.push(String::from_utf8(bytes).unwrap());
    }
    for value in forged {
        let client = sends(&[&format!("{name}={value}")]);
        assert!(!is_known(&fixture.guard, OWNER, &client).await, "{value}");
    }
    assert!(is_known(&fixture.guard, OWNER, &sends(&[&format!("{name}={value}")])).await);
}

#[tokio::test]
async fn a_cookie_expires_and_survives_a_new_root_secret() {
    let fixture = Fixture::new();
    let known = cookie(&fixture, OWNER).await;
    let later = root(2).previous(Secret::from(&[1; 32][..])).unwrap();
    let renewed = LoginGuard::builder(AttemptStore::memory(), &later).time(&fixture.clock);
    assert!(is_known(&renewed.build().unwrap(), OWNER, &device(&known)).await);
    fixture.clock.advance(Duration::from_secs(180 * 24 * 60 * 60 - 1));
    assert!(is_known(&fixture.guard, OWNER, &device(&known)).await);
    fixture.clock.advance(Duration::from_secs(1));
    assert!(!is_known(&fixture.guard, OWNER, &device(&known)).await);
}

/// A thief of the cookie has the guesses of one device, and then those of a stranger.
#[tokio::test]
async fn a_stolen_cookie_has_few_guesses_of_its_own() {
    let fixture = Fixture::with(|builder| builder.limits(roomy()));
    let stolen = device(&cookie(&fixture, OWNER).await);
    let mut guesses = 0;
    let end = 24 * 60 * 60;
    let mut passed = 0;
    while passed < end {
        match fixture.wait(OWNER, &stolen).await {
            None => {
                fixture.fail(OWNER, &stolen, 1).await;
                guesses += 1;
            }
            Some(wait) => {
                fixture.clock.advance(wait);
                passed += wait.as_secs();
            }
        }
    }
    // 10 as a device, and what a stranger has in a day: 5, and the delays up to 15 minutes.
    assert!((100..=110).contains(&guesses), "{guesses}");
}

/// A thief of the password logs in often, and keeps the cookies when the owner changes the password.
#[tokio::test]
async fn many_cookies_of_a_former_thief_have_100_guesses_together() {
    let fixture = Fixture::with(|builder| builder.limits(roomy()));
    let mut devices = Vec::new();
    for _ in 0..50 {
        devices.push(device(&cookie(&fixture, OWNER).await));
    }
    let mut guesses = 0;
    for thief in &devices {
        while let Ok(attempt) = fixture.guard.reserve(OWNER, thief).await {
            guesses += u32::from(attempt.is_known_device());
            attempt.failed();
        }
    }
    assert_eq!(guesses, 100);
    assert!(!is_known_later(&fixture, &devices[49]).await);
    // The owner has the account unlocked, and its devices are known again.
    fixture.guard.unlock(OWNER).await.unwrap();
    assert!(is_known(&fixture.guard, OWNER, &devices[49]).await);
}

async fn is_known_later(fixture: &Fixture, client: &LoginClient) -> bool {
    fixture.clock.advance(Duration::from_secs(60 * 60));
    is_known(&fixture.guard, OWNER, client).await
}

#[tokio::test]
async fn a_device_after_its_hard_stop_is_not_known() {
    let fixture = Fixture::with(|builder| {
        builder.limits(roomy().device(LaneLimits::device().hard_stop(nonzero(5))))
    });
    let client = device(&cookie(&fixture, OWNER).await);
    assert!(is_known(&fixture.guard, OWNER, &client).await);
    fixture.fail(OWNER, &client, 5).await;
    assert!(!is_known(&fixture.guard, OWNER, &client).await, "no queue of its own any more");
}

#[tokio::test]
async fn too_many_and_too_long_cookies_are_not_read() {
    let fixture = Fixture::new();
    let (name, value) = pair(&cookie(&fixture, OWNER).await);
    let many = "__Host-device-x=y; ".repeat(16);
    let client = sends(&[&format!("{many}{name}={value}")]);
    assert!(!is_known(&fixture.guard, OWNER, &client).await);
    let long = format!("{name}={value}{}", "A".repeat(4_096));
    assert!(!is_known(&fixture.guard, OWNER, &sends(&[&long])).await);
}
