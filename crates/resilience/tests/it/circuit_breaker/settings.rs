//! Settings that can never work.

use hardpoint_resilience::ConfigError;

use super::*;

fn mistakes(builder: CircuitBuilder) -> Vec<String> {
    let error: ConfigError = builder.build().unwrap_err();
    error.mistakes().iter().map(ToString::to_string).collect()
}

fn plain() -> CircuitBuilder {
    Circuit::builder("inventory", SLOW)
}

#[test]
fn all_mistakes_are_listed_with_their_values_and_what_to_write() {
    let found = mistakes(
        Circuit::builder("", Duration::ZERO)
            .consecutive_failures(0)
            .failure_rate(1.5)
            .slow_rate(-0.1)
            .min_calls(0)
            .window(Duration::from_millis(1))
            .trial_calls(0)
            .open_for(Duration::ZERO, Duration::from_hours(2))
            .retry_after_at_most(Duration::from_hours(24))
            .ramp(Duration::from_hours(3)),
    );
    let expected = [
        "`circuit.name` has 0 bytes; write a name of 1 to 64 bytes",
        "`circuit.slow_after` is 0ns; write the time after which a call is slow, up to an hour, \
         such as 1 s",
        "`circuit.consecutive_failures` is 0; write at least 1, or None to turn it off",
        "`circuit.failure_rate` is 1.5; write a share above 0 and up to 1, or None to turn it off",
        "`circuit.slow_rate` is -0.1; write a share above 0 and up to 1, or None to turn it off",
        "`circuit.min_calls` is 0; write at least 1",
        "`circuit.window` is 1ms; write 16 ms to an hour",
        "`circuit.trial_calls` is 0, so an open circuit never closes; write 1 to 255",
        "`circuit.open_for` is 0ns, so the circuit is never open; write at least 1 ms",
        "`circuit.open_for` grows from 0ns to 7200s; write a limit of 0ns to an hour",
        "`circuit.retry_after_at_most` is 86400s; write at most an hour",
        "`circuit.ramp` is 10800s; write at most an hour",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_circuit_that_never_opens_or_closes_is_refused() {
    let off = plain().consecutive_failures(None).failure_rate(None).slow_rate(None);
    assert_eq!(
        mistakes(off),
        [
            "`circuit.failure_rate` is off, as are consecutive_failures and slow_rate, so the circuit \
          never opens; set at least one of them"
        ]
    );
    assert_eq!(
        mistakes(plain().trial_calls(2).trial_successes(3)),
        ["`circuit.trial_successes` is 3 of 2 trial calls; write 1 to 2"]
    );
    assert_eq!(
        mistakes(plain().trial_successes(0)),
        ["`circuit.trial_successes` is 0 of 3 trial calls; write 1 to 3"]
    );
    let (first, at_most) = (Duration::from_secs(10), Duration::from_secs(5));
    assert_eq!(
        mistakes(plain().open_for(first, at_most)),
        ["`circuit.open_for` grows from 10s to 5s; write a limit of 10s to an hour"]
    );
    for rate in [f64::NAN, f64::INFINITY, 0.0] {
        assert_eq!(mistakes(plain().failure_rate(rate)).len(), 1, "{rate}");
    }
    let keyless = plain().build_keyed(hardpoint_resilience::key::host(), 0);
    assert_eq!(keyless.unwrap_err().to_string(), "`circuit.max_keys` is 0; write 1 to 10000");
}

#[test]
fn the_defaults_work() {
    assert!(plain().build().is_ok());
    assert!(plain().min_calls(u32::MAX).trial_calls(255).ramp(Duration::ZERO).build().is_ok());
}
