//! What claims may say.

use super::*;

/// The answer to a token with a claim that is written so, whatever JSON that is.
fn with_written(
    fixture: &Fixture,
    name: &str,
    value: &str,
) -> Result<VerifiedToken, VerifyErrorKind> {
    let others = changed(fixture.claims(), name, Value::Null).to_string();
    let claims = others.replacen('{', &format!("{{\"{name}\":{value},"), 1);
    fixture.verify(&fixture.sign(&fixture.header().to_string(), &claims))
}

#[test]
fn a_claim_of_another_type_is_never_taken_for_one_that_is_absent() {
    use VerifyErrorKind::{Audience, Claims, Expired, Issuer};

    let fixture = Fixture::new();
    assert!(fixture.verify(&good(&fixture)).is_ok());
    // What each says to an empty string, another string, a number, and to what is none of them.
    for (name, empty, text, number, other) in [
        ("iss", Some(Issuer), Some(Issuer), Some(Issuer), Issuer),
        ("aud", Some(Audience), Some(Audience), Some(Audience), Audience),
        ("sub", Some(Claims), None, Some(Claims), Claims),
        ("client_id", Some(Claims), None, Some(Claims), Claims),
        ("jti", Some(Claims), None, Some(Claims), Claims),
        ("scope", None, None, Some(Claims), Claims),
        ("sid", None, None, Some(Claims), Claims),
        ("exp", Some(Claims), Some(Claims), Some(Expired), Claims),
        ("iat", Some(Claims), Some(Claims), None, Claims),
        ("nbf", Some(Claims), Some(Claims), None, Claims),
        ("auth_time", Some(Claims), Some(Claims), None, Claims),
    ] {
        let others = ["null", "true", "false", "-1", "-0.5", "[]", "[\"x\"]", "[[\"x\"]]", "[1]"];
        let all = [("\"\"", empty), ("\"x\"", text), ("0", number), ("1.5", number)];
        let others = others.into_iter().chain(["{}", "{\"x\":\"x\"}"]);
        for (value, expected) in all.into_iter().chain(others.map(|value| (value, Some(other)))) {
            answers(with_written(&fixture, name, value), expected, (name, value));
        }
    }
    for list in ["[\"api\",1]", "[\"api\",null]", "[\"api\",[]]", "[[\"api\"]]", "{\"api\":true}"] {
        answers(with_written(&fixture, "aud", list), Some(Audience), list);
    }
    assert!(with_written(&fixture, "aud", "[\"x\",\"api\"]").is_ok());
}

#[test]
fn a_claim_that_means_something_stands_there_once() {
    let fixture = Fixture::new();
    let mut all = fixture.claims();
    (all["sid"], all["nbf"], all["auth_time"]) = (json!("s"), json!(1), json!(1));
    for (name, value) in all.as_object().unwrap() {
        assert!(with_written(&fixture, name, &value.to_string()).is_ok(), "{name}");
        let (first, rest) = name.split_at(1);
        for again in [name.clone(), format!("\\u00{:02x}{rest}", first.as_bytes()[0])] {
            let twice = format!("{value},\"{again}\":{value}");
            answers(with_written(&fixture, name, &twice), Some(VerifyErrorKind::Claims), again);
        }
    }
}

#[test]
fn times_hold_to_the_second_at_both_ends() {
    use VerifyErrorKind::{Expired, NotYetValid};

    let fixture = Fixture::new();
    let now = fixture.clock.unix().as_secs();
    // At the beginning of a second, and at its end.
    for _ in 0..2 {
        assert!(fixture.verify(&good(&fixture)).is_ok());
        for leeway in [0, 1, 30, 3_600] {
            let verifier = fixture.verifier.clone().leeway(Duration::from_secs(leeway));
            for (name, time, expected) in [
                ("exp", now - leeway - 1, Some(Expired)),
                ("exp", now - leeway, Some(Expired)),
                ("exp", now - leeway + 1, None),
                ("nbf", now + leeway, None),
                ("nbf", now + leeway + 1, Some(NotYetValid)),
                ("iat", now + leeway, None),
                ("iat", now + leeway + 1, Some(NotYetValid)),
            ] {
                let claims = changed(fixture.claims(), name, json!(time)).to_string();
                let token = fixture.sign(&fixture.header().to_string(), &claims);
                let answer = verifier.verify(&token).map_err(|error| error.kind());
                answers(answer, expected, (name, leeway));
            }
        }
        fixture.clock.advance(Duration::from_nanos(999_999_999));
    }
}

#[test]
fn a_time_is_a_number_from_zero_on_however_it_is_written() {
    use VerifyErrorKind::{Claims, Expired, NotYetValid};

    let fixture = Fixture::new();
    for (name, expected, all) in [
        ("exp", None, ["1800000600", "1800000600.0", "18000006e2", "1.8000006E+9"].as_slice()),
        ("exp", None, &["18446744073709551615"]),
        ("exp", Some(Expired), &["-0", "-0.0", "0.9", "1e-400", "1799999970.999999"]),
        ("exp", Some(Claims), &["1e400", "-1e400", "18446744073709551616", "\"1800000600\""]),
        ("exp", Some(Claims), &["NaN", "Infinity", "-", "+1", "01", "1.", ".5", "0x7f", "1_000"]),
        ("nbf", None, &["-0", "1800000030", "1800000030.999"]),
        ("nbf", Some(NotYetValid), &["1800000031", "18446744073709551615"]),
        ("nbf", Some(Claims), &["1e400", "18446744073709551616"]),
        ("iat", None, &["-0", "1800000030.999"]),
        ("iat", Some(NotYetValid), &["1800000031", "18446744073709551615"]),
        ("iat", Some(Claims), &["1e400", "18446744073709551616"]),
    ] {
        for written in all {
            answers(with_written(&fixture, name, written), expected, (name, written));
        }
    }
}
