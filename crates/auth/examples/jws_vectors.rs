//! Runs project Wycheproof's JSON Web Signature vectors through the public API.
//!
//! `cargo run -p hardpoint-auth --features test --example jws_vectors -- FILE..` prints for each file how
//! many signatures were judged as the vectors demand, and the id of each one that was not. The files are
//! `json_web_signature_test.json`, `json_web_key_test.json` and `json_web_crypto_test.json` of
//! <https://github.com/C2SP/wycheproof/tree/main/testvectors_v1>.

use std::{env, error::Error, fs, process::ExitCode, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_auth::{Algorithm, KeyError, KeyErrorKind, KeySet, SigningKey, VerifyingKey};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    public: Option<Value>,
    private: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    tc_id: u32,
    jws: Option<Value>,
    jwe: Option<Value>,
    result: String,
    comment: String,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut wrong = 0;
    for path in env::args().skip(1) {
        let file: File = serde_json::from_slice(&fs::read(&path)?)?;
        let (mut right, mut encrypted, mut here) = (0, 0, Vec::new());
        for group in file.groups {
            let keys = keys(group.public.as_ref().unwrap_or(&group.private));
            for test in group.tests {
                // Encrypted tokens are not supported.
                if test.jwe.is_some() {
                    encrypted += 1;
                    continue;
                }
                let text = test.jws.as_ref().map(text).unwrap_or_default();
                let accepted =
                    keys.as_ref().is_ok_and(|keys| keys.verify_jws(&text, Duration::ZERO).is_ok());
                match (test.result.as_str(), accepted) {
                    ("acceptable", _) | ("valid", true) | ("invalid", false) => right += 1,
                    _ => here.push((test, keys.as_ref().err().map(ToString::to_string))),
                }
            }
        }
        println!("{path}: {right} right, {} wrong, {encrypted} encrypted", here.len());
        for (Test { tc_id, result, comment, .. }, keys) in &here {
            println!("  {tc_id} should be {result} ({comment}) {}", keys.as_deref().unwrap_or(""));
        }
        wrong += here.len();
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A JWS in compact form, or the JSON form as text, which is refused.
fn text(jws: &Value) -> String {
    jws.as_str().map_or_else(|| jws.to_string(), str::to_owned)
}

/// The keys of a set, or the one key.
fn keys(value: &Value) -> Result<KeySet, Box<dyn Error>> {
    let Some(list) = value.get("keys").and_then(Value::as_array) else {
        return Ok(KeySet::new([key(value)?])?);
    };
    // A set of public keys is read as one, which skips the keys that cannot be used.
    if list.iter().all(|jwk| jwk.get("k").is_none() && jwk.get("d").is_none()) {
        return Ok(KeySet::from_jwks(value.to_string().as_bytes())?.0);
    }
    Ok(KeySet::new(list.iter().map(key).collect::<Result<Vec<_>, _>>()?)?)
}

fn key(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    let json = jwk.to_string();
    if jwk.get("kty").is_some_and(|kind| kind == "oct") || jwk.get("d").is_some() {
        return match SigningKey::from_jwk(json.as_bytes()) {
            // The vectors use keys of RFCs, and keys that count up.
            Err(error) if matches!(error.kind(), KeyErrorKind::Published | KeyErrorKind::Weak) => {
                known(jwk).ok_or(error)
            }
            read => read.map(|key| key.verifying_key()),
        };
    }
    VerifyingKey::from_jwk(json.as_bytes())
}

/// A secret that others know. One that is shorter than the algorithm's hash is refused nevertheless.
fn known(jwk: &Value) -> Option<VerifyingKey> {
    let text = |name: &str| jwk.get(name)?.as_str();
    let secret = URL_SAFE_NO_PAD.decode(text("k")?).ok()?;
    let algorithm = Algorithm::from_name(text("alg").unwrap_or("HS256"))?;
    let least = match algorithm {
        Algorithm::Hs512 => 64,
        Algorithm::Hs384 => 48,
        _ => 32,
    };
    if secret.len() < least {
        return None;
    }
    let key = VerifyingKey::dangerous_symmetric(algorithm, &secret.into()).ok()?;
    text("kid").map_or(Some(key.clone()), |id| key.named(id).ok())
}
