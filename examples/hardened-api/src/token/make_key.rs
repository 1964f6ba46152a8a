//! `make-key`: generates a private key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint::auth::{Algorithm, SigningKey};
use serde_json::Value;

use super::{
    Failure, Printed,
    arguments::{self, Arguments},
};

pub(super) fn run(words: &[&str]) -> Printed {
    let arguments = Arguments::read(words, &[])?;
    let [name] = arguments.operands() else {
        return Err(Failure::usage("make-key takes one ALGORITHM"));
    };
    let algorithm = arguments::algorithm(name)?;
    if algorithm.is_symmetric() {
        return secret(algorithm);
    }
    SigningKey::generate_for(algorithm).and_then(|key| key.to_pem()).map_err(Failure::system)
}

/// Generates a secret as a JWK of type `oct`, the only format that names its algorithm.
fn secret(algorithm: Algorithm) -> Printed {
    // Same length as the hash (RFC 7518 §3.2).
    let mut bytes = match algorithm {
        Algorithm::Hs512 => vec![0; 64],
        Algorithm::Hs384 => vec![0; 48],
        _ => vec![0; 32],
    };
    getrandom::fill(&mut bytes).map_err(Failure::system)?;
    let encoded = URL_SAFE_NO_PAD.encode(&bytes);
    let key = SigningKey::symmetric(algorithm, &bytes.into()).map_err(Failure::system)?;
    let mut jwk = key.verifying_key().to_jwk();
    if let Value::Object(members) = &mut jwk {
        members.insert("k".to_owned(), encoded.into());
    }
    Ok(format!("{jwk:#}").into())
}
