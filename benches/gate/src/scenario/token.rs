use hardpoint::{auth::Algorithm, core::ManualClock};
use hardpoint_bench_harness::tokens::Fixture;

use super::Scenario;

fn verify(algorithm: Algorithm) -> Scenario {
    let fixture = Fixture::signed_with(algorithm);
    let verifier = fixture.verifier(ManualClock::default());
    Scenario::new(
        move || fixture.token,
        move |token| {
            let verified = verifier.verify(token).expect("the fixture is valid");
            assert!(!verified.subject().is_empty());
        },
    )
}

/// A valid token of EdDSA.
#[must_use]
pub fn token_eddsa() -> Scenario {
    verify(Algorithm::EdDsa)
}

/// A valid token of ES256.
#[must_use]
pub fn token_es256() -> Scenario {
    verify(Algorithm::Es256)
}

/// A valid token of RS256.
#[must_use]
pub fn token_rs256() -> Scenario {
    verify(Algorithm::Rs256)
}

/// Garbage in the form of a token: refused before any cryptography.
#[must_use]
pub fn token_refused() -> Scenario {
    let fixture = Fixture::signed_with(Algorithm::EdDsa);
    let verifier = fixture.verifier(ManualClock::default());
    let forged = fixture.token.replacen('.', ".!", 1);
    Scenario::new(|| (), move |()| assert!(verifier.verify(&forged).is_err()))
}
