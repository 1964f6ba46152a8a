use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    secrets::{PREVIOUS_ROOT, ROOT},
    *,
};

fn read(variables: &[(&str, &str)]) -> Result<Settings, Report> {
    Settings::read(&Environment::from_iter(variables.iter().copied()))
}

#[test]
fn nothing_needs_to_be_set_in_development() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.env, Env::Dev);
    assert_eq!(settings.rate_limit, Some(Quota::per_second(200).burst(400)));
    assert!(settings.keys.generated);
    assert_eq!(settings.drain_delay, Duration::ZERO);
}

#[test]
fn production_needs_its_secrets_and_lists_all_that_is_wrong() {
    let report = read(&[
        ("HARDPOINT_ENV", "prod"),
        ("HARDPOINT_LISTEN", "localhost"),
        ("HARDPOINT_RATE_LIMIT", "many"),
        ("HARDPOINT_REDIS_URL", "http://127.0.0.1"),
        ("HARDPOINT_REFRESH_GRACE", "61s"),
        ("HARDPOINT_TRUSTED_PROXIES", "10.0.0.0/8, 0.0.0.0/0"),
        ("HARDPOINT_LSITEN", "127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_TIMEOUTS", "10"),
    ])
    .unwrap_err();
    let text = report.to_string();
    for name in [
        "JWT_SIGNING_KEY",
        "HARDPOINT_ROOT_SECRET",
        "HARDPOINT_LISTEN",
        "HARDPOINT_RATE_LIMIT",
        "HARDPOINT_REDIS_URL",
        "HARDPOINT_REFRESH_GRACE",
        "HARDPOINT_TRUSTED_PROXIES",
        "HARDPOINT_LSITEN",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TIMEOUTS",
    ] {
        assert!(text.lines().any(|line| line.contains(name)), "{name} is missing in\n{text}");
    }
    assert_eq!(report.len(), 10, "{text}");
}

#[test]
fn hosts_to_redirect_to_need_a_proxy_that_reports_the_scheme() {
    let hosts = ("HARDPOINT_HTTPS_HOSTS", "api.example");
    let proxies = ("HARDPOINT_TRUSTED_PROXIES", "10.0.0.0/8");
    assert!(read(&[hosts, proxies]).is_ok());
    for wrong in [&[hosts][..], &[("HARDPOINT_HTTPS_HOSTS", "https://api.example"), proxies]] {
        let report = read(wrong).unwrap_err();
        assert_eq!(report.len(), 1, "{report}");
        assert!(report.to_string().contains("HARDPOINT_HTTPS_HOSTS"), "{report}");
    }
}

#[test]
fn a_bad_key_hides_nothing_else() {
    let report = read(&[
        ("JWT_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
        ("HARDPOINT_REDIS_URL", "redis://127.0.0.1"),
        ("HARDPOINT_LSITEN", "127.0.0.1:1"),
        ("HARDPOINT_DRAIN_DEADLINE", "0s"),
    ])
    .unwrap_err();
    assert_eq!(report.len(), 4, "{report}");
}

#[test]
fn a_key_that_signs_is_no_previous_key() {
    let pem = SigningKey::generate_pem().unwrap();
    let both = [("JWT_SIGNING_KEY", pem.expose()), ("JWT_PREVIOUS_KEYS", pem.expose())];
    let report = read(&both).unwrap_err().to_string();
    assert!(report.contains("JWT_PREVIOUS_KEYS"), "{report}");
}

#[test]
fn keys_are_read_and_bad_ones_are_named_without_being_shown() {
    let pem = SigningKey::generate_pem().unwrap();
    let previous = SigningKey::generate_pem().unwrap();
    let settings =
        read(&[("JWT_SIGNING_KEY", pem.expose()), ("JWT_PREVIOUS_KEYS", previous.expose())])
            .unwrap();
    assert!(!settings.keys.generated);
    assert_eq!(settings.keys.previous.len(), 1);
    let broken = pem.expose().replace("MC4CAQ", "AAAAAA");
    let report = read(&[("JWT_SIGNING_KEY", &broken)]).unwrap_err().to_string();
    assert!(report.contains("JWT_SIGNING_KEY"), "{report}");
    assert!(!report.contains("AAAAAA"), "{report}");
}

#[test]
fn a_root_secret_is_read_with_its_predecessor_and_generated_in_development() {
    let base64 = |byte: u8| STANDARD.encode((0..32).map(|n| n * 7 + byte).collect::<Vec<u8>>());
    let (current, previous) = (base64(1), base64(2));
    assert!(read(&[]).unwrap().root.generated);
    let settings = read(&[(ROOT, &current), (PREVIOUS_ROOT, &previous)]).unwrap();
    assert!(!settings.root.generated);
    let report = read(&[(PREVIOUS_ROOT, "c2hvcnQ=")]).unwrap_err().to_string();
    assert!(report.contains(PREVIOUS_ROOT) && !report.contains("c2hvcnQ"), "{report}");
}

#[test]
fn the_grace_of_refresh_tokens_can_be_switched_off() {
    let grace = |text| read(&[("HARDPOINT_REFRESH_GRACE", text)]).map(|s| s.refresh_grace);
    assert_eq!(read(&[]).unwrap().refresh_grace, Duration::from_secs(10));
    assert_eq!(grace("0").unwrap(), Duration::ZERO);
    assert_eq!(grace("0s").unwrap(), Duration::ZERO);
    assert_eq!(grace("500ms").unwrap(), Duration::from_millis(500));
    for bad in ["61s", "1h", "soon", ""] {
        assert!(grace(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_limit_can_be_switched_off_and_every_duration_is_readable() {
    let settings = read(&[
        ("HARDPOINT_RATE_LIMIT", "off"),
        ("HARDPOINT_SUBJECT_RATE_LIMIT", "5/1m"),
        ("HARDPOINT_DRAIN_DELAY", "250ms"),
        ("HARDPOINT_DRAIN_DEADLINE", "1m"),
    ])
    .unwrap();
    assert_eq!(settings.rate_limit, None);
    assert_eq!(settings.subject_rate_limit, Some(Quota::per_minute(5)));
    assert_eq!(settings.drain_delay, Duration::from_millis(250));
    assert_eq!(settings.drain_deadline, Duration::from_secs(60));
}
