//! Reads keys from files that contain PEM, a JWK or a JWK set. The format is detected.

use std::fs;

use hardpoint::{
    auth::{Algorithm, KeyError, KeySet, KeySetError, SigningKey, SkippedKey, VerifyingKey},
    core::Secret,
};
use serde::{Deserialize, de::IgnoredAny};

use super::Failure;

/// Reads a signing key. If `algorithm` is given, it replaces the key's own.
pub(super) fn signing(path: &str, algorithm: Option<Algorithm>) -> Result<SigningKey, Failure> {
    let text = read(path)?;
    let text = text.expose();
    let key = if is_json(text) {
        SigningKey::from_jwk(text.as_bytes())
    } else {
        SigningKey::from_pem(text)
    };
    let key = key.and_then(|key| match algorithm {
        Some(algorithm) => key.for_algorithm(algorithm),
        None => Ok(key),
    });
    key.map_err(|error| no_key(path, error))
}

/// Reads the verifying keys of a file, and the keys of a set that cannot be used.
pub(super) fn verifying(
    path: &str,
    algorithm: Option<Algorithm>,
) -> Result<(Vec<VerifyingKey>, Vec<SkippedKey>), Failure> {
    let text = read(path)?;
    let text = text.expose();
    let keys = if is_json(text) {
        match KeySet::from_jwks(text.as_bytes()) {
            Ok(_) if algorithm.is_some() => {
                return Err(Failure::usage(
                    "--algorithm applies to a single key; the keys of a set name their own",
                ));
            }
            Ok((set, skipped)) => return Ok((set.iter().cloned().collect(), skipped)),
            Err(KeySetError::Malformed) => verifying_jwk(text.as_bytes()).map(|key| vec![key]),
            Err(error) => return Err(Failure::data(format!("{path}: {error}"))),
        }
    } else {
        VerifyingKey::all_from_pem(text)
    };
    let keys = keys.and_then(|keys| match algorithm {
        Some(algorithm) => keys.iter().map(|key| key.for_algorithm(algorithm)).collect(),
        None => Ok(keys),
    });
    Ok((keys.map_err(|error| no_key(path, error))?, Vec::new()))
}

/// Reads the key of a public JWK, or the public half of a private one.
fn verifying_jwk(json: &[u8]) -> Result<VerifyingKey, KeyError> {
    #[derive(Deserialize)]
    struct Private {
        d: Option<IgnoredAny>,
        k: Option<IgnoredAny>,
    }

    match serde_json::from_slice(json) {
        Ok(Private { d: None, k: None }) | Err(_) => VerifyingKey::from_jwk(json),
        Ok(_) => SigningKey::from_jwk(json).map(|key| key.verifying_key()),
    }
}

fn read(path: &str) -> Result<Secret<str>, Failure> {
    let text = fs::read_to_string(path).map(Secret::from);
    text.map_err(|error| Failure::unreadable(format!("cannot read {path}: {error}")))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn no_key(path: &str, error: KeyError) -> Failure {
    Failure::data(format!("{path} is {error}"))
}
