//! The formats in which other systems store hashes.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::functions::{Function, Imported, MAX_OUTPUT, Prehash, Prf};
use crate::password::ParseHashError::{self, Algorithm, Malformed};

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
/// bcrypt's own alphabet. Its 22 characters for 16 bytes leave bits over, which not all writers clear.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, CONFIG);

/// Reads any of the formats.
pub(super) fn parse(text: &str) -> Result<Imported, ParseHashError> {
    let parts: Vec<&str> = text.split('$').collect();
    match parts.as_slice() {
        ["", "2a" | "2b" | "2y", rest @ ..] | ["bcrypt", "", "2a" | "2b" | "2y", rest @ ..] => {
            bcrypt(rest, Prehash::None)
        }
        ["bcrypt_sha256", "", "2a" | "2b" | "2y", rest @ ..] => bcrypt(rest, Prehash::DjangoSha256),
        ["", "bcrypt-sha256", params, salt, output] => {
            let cost = params.strip_prefix("v=2,t=2b,r=").ok_or(Algorithm)?;
            bcrypt_parts(cost, salt, output, Prehash::PasslibSha256)
        }
        [name @ ("pbkdf2_sha1" | "pbkdf2_sha256"), rounds, salt, output] => {
            let (name, salt) = (name.replace('_', "-"), salt.as_bytes().to_vec());
            Imported::pbkdf2(&name, number(rounds)?, salt, base64(output)?)
        }
        ["scrypt", n, salt, r, p, output] => {
            let n: u64 = number(n)?;
            let log_n = n.is_power_of_two().then(|| n.trailing_zeros()).ok_or(Malformed)?;
            scrypt(log_n, number(r)?, number(p)?, salt.as_bytes().to_vec(), base64(output)?)
        }
        ["", name, params, salt, output] if name.starts_with("pbkdf2") => {
            Imported::pbkdf2(name, rounds(params)?, ab64(salt)?, ab64(output)?)
        }
        ["", "scrypt", params, salt, output] => {
            let params: Vec<&str> = params.split(',').collect();
            let [log_n, r, p] = params.as_slice() else { return Err(Malformed) };
            let read = |param: &str, name| number(param.strip_prefix(name).ok_or(Malformed)?);
            let (log_n, r, p) = (read(log_n, "ln=")?, read(r, "r=")?, read(p, "p=")?);
            scrypt(log_n, r, p, base64(salt)?, base64(output)?)
        }
        [_] => Err(Malformed),
        _ => Err(Algorithm),
    }
}

impl Imported {
    /// A hash of PBKDF2, by the name that passlib and Keycloak have for its function.
    pub(in crate::password) fn pbkdf2(
        name: &str,
        iterations: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<Self, ParseHashError> {
        let prf = match name {
            "pbkdf2" | "pbkdf2-sha1" => Prf::Sha1,
            "pbkdf2-sha256" => Prf::Sha256,
            "pbkdf2-sha512" => Prf::Sha512,
            _ => return Err(Algorithm),
        };
        // A shorter output would match many passwords, and a longer one only repeats the work.
        if iterations == 0 || !(MIN_OUTPUT..=MAX_OUTPUT).contains(&output.len()) {
            return Err(Malformed);
        }
        Ok(Self::new(Function::Pbkdf2 { prf, iterations }, salt, output))
    }
}

/// `12$` and 22 characters of salt with 31 of the hash.
fn bcrypt(rest: &[&str], prehash: Prehash) -> Result<Imported, ParseHashError> {
    let [cost, both] = rest else { return Err(Malformed) };
    let (salt, output) = both.split_at_checked(22).ok_or(Malformed)?;
    bcrypt_parts(cost, salt, output, prehash)
}

fn bcrypt_parts(
    cost: &str,
    salt: &str,
    output: &str,
    prehash: Prehash,
) -> Result<Imported, ParseHashError> {
    let cost = number(cost)?;
    let bytes = |text| BCRYPT.decode(text).map_err(|_| Malformed);
    let (salt_bytes, output) = (bytes(salt)?, bytes(output)?);
    if !(4..=31).contains(&cost) || salt_bytes.len() != 16 || output.len() != 23 {
        return Err(Malformed);
    }
    // passlib keys its first hash with the text of the salt.
    let key = salt.as_bytes().into();
    Ok(Imported::new(Function::Bcrypt { cost, prehash, key }, salt_bytes, output))
}

fn scrypt(
    log_n: u32,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
) -> Result<Imported, ParseHashError> {
    let log_n = u8::try_from(log_n).map_err(|_| Malformed)?;
    // The product of both stays below what the function checks, and far above any value in use.
    let plain = (1..=30).contains(&log_n) && (1..=1024).contains(&r) && (1..=256).contains(&p);
    if !plain || !(MIN_OUTPUT..=MAX_OUTPUT).contains(&output.len()) {
        return Err(Malformed);
    }
    Ok(Imported::new(Function::Scrypt { log_n, r, p }, salt, output))
}

/// The least bytes of an output.
const MIN_OUTPUT: usize = 10;

/// `29000` as passlib writes it, or `i=29000,l=32` as the PHC format has it.
fn rounds(params: &str) -> Result<u32, ParseHashError> {
    let first = params.split(',').next().unwrap_or_default();
    number(first.strip_prefix("i=").unwrap_or(first))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, ParseHashError> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain {
        return Err(Malformed);
    }
    text.parse().map_err(|_| Malformed)
}

fn base64(text: &str) -> Result<Vec<u8>, ParseHashError> {
    STANDARD.decode(text).map_err(|_| Malformed)
}

/// passlib writes `.` for `+`.
fn ab64(text: &str) -> Result<Vec<u8>, ParseHashError> {
    base64(&text.replace('.', "+"))
}
