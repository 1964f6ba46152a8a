//! `verify`: prints the claims of a valid token.

use std::io::{self, Read};

use hardpoint::{
    auth::{KeySet, TokenVerifier},
    core::Secret,
};
use serde_json::Value;

use super::{Failure, Printed, arguments::Arguments, key_file};

const OPTIONS: [&str; 5] = ["--algorithm", "--audience", "--issuer", "--keys", "--profile"];
/// Longer than any accepted token. No more is read.
const ENOUGH: u64 = 64 * 1024;

pub(super) fn run(words: &[&str]) -> Printed {
    let arguments = Arguments::read(words, &OPTIONS)?;
    let (path, algorithm) = (arguments.required("--keys")?, arguments.algorithm()?);
    let (issuer, audience) = (arguments.required("--issuer")?, arguments.required("--audience")?);
    let profile = arguments.profile()?;
    let given = match arguments.operands() {
        [] | ["-"] => None,
        [token] => Some(*token),
        _ => return Err(Failure::usage("verify takes one TOKEN")),
    };

    let (keys, skipped) = key_file::verifying(path, algorithm)?;
    for key in skipped {
        eprintln!("{path}: {key}");
    }
    let keys = KeySet::new(keys).map_err(Failure::data)?;
    let token = match given {
        Some(token) => token.into(),
        None => from_stdin()?,
    };
    let verifier =
        TokenVerifier::builder().issuer(issuer, keys).audience(audience).profile(profile);
    let verifier = verifier.build().map_err(Failure::usage)?;
    let (_, claims) = verifier
        .verify_as::<Value>(token.expose().trim_end_matches(['\r', '\n']))
        .map_err(Failure::refused)?;
    Ok(format!("{claims:#}").into())
}

fn from_stdin() -> Result<Secret<str>, Failure> {
    let mut text = String::new();
    let read = io::stdin().take(ENOUGH).read_to_string(&mut text);
    read.map_err(|error| Failure::unreadable(format!("cannot read stdin: {error}")))?;
    Ok(text.into())
}
