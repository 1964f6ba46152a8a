//! The credentials of Keycloak.

use std::sync::Arc;

use argon2::{Algorithm, Params, Version, password_hash::phc};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Argon2Profile,
    ParseHashError::{self, Malformed},
    hash::{Argon2Hash, Argon2Work, Scheme},
    imported::Imported,
};

/// A credential as the realm export has it, and as the columns of the table have it: both members are
/// JSON objects, or texts of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    secret_data: Value,
    credential_data: Value,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: Value,
}

pub(super) fn parse(text: &str) -> Result<Scheme, ParseHashError> {
    let Credential { secret_data, credential_data } =
        serde_json::from_str(text).map_err(|_| Malformed)?;
    let SecretData { value, salt } = object(secret_data)?;
    let data: CredentialData = object(credential_data)?;
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| Malformed);
    let (salt, output) = (bytes(&salt)?, bytes(&value)?);
    if data.algorithm == "argon2" {
        return Ok(Scheme::Argon2(Arc::new(argon2(&data, &salt, &output)?)));
    }
    let imported = Imported::pbkdf2(&data.algorithm, data.hash_iterations, salt, output)?;
    Ok(Scheme::Imported(Arc::new(imported)))
}

fn argon2(data: &CredentialData, salt: &[u8], output: &[u8]) -> Result<Argon2Hash, ParseHashError> {
    // Each parameter is a list of one text.
    let text = |name: &str| {
        let value = data.additional_parameters.get(name)?;
        value.get(0).unwrap_or(value).as_str()
    };
    let number = |name: &str| text(name).and_then(|text| text.parse().ok()).ok_or(Malformed);
    let algorithm = match text("type") {
        Some("id") => Algorithm::Argon2id,
        Some("i") => Algorithm::Argon2i,
        Some("d") => Algorithm::Argon2d,
        _ => return Err(ParseHashError::Algorithm),
    };
    let version = match text("version") {
        Some("1.3") => Version::V0x13,
        Some("1.0") => Version::V0x10,
        _ => return Err(ParseHashError::Algorithm),
    };
    let (memory, lanes) = (number("memory")?, number("parallelism")?);
    let params = Params::new(memory, data.hash_iterations, lanes, Some(output.len()));
    let profile = Argon2Profile::from_params(&params.map_err(|_| Malformed)?);
    Ok(Argon2Hash {
        work: Argon2Work { algorithm, version, profile },
        salt: phc::Salt::new(salt).map_err(|_| Malformed)?,
        output: phc::Output::new(output).map_err(|_| Malformed)?,
        pepper: None,
    })
}

fn object<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, ParseHashError> {
    let value = match value {
        Value::String(text) => serde_json::from_str(&text),
        value => serde_json::from_value(value),
    };
    value.map_err(|_| Malformed)
}
