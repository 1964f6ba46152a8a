//! `jwks`: prints the public halves of keys, for verifiers.

use hardpoint::auth::{KeySet, VerifyingKey};

use super::{Failure, Printed, arguments::Arguments, key_file};

pub(super) fn run(words: &[&str]) -> Printed {
    let arguments = Arguments::read(words, &["--algorithm", "--format"])?;
    let algorithm = arguments.algorithm()?;
    let is_pem = match arguments.optional("--format")? {
        None | Some("jwk") => false,
        Some("pem") => true,
        Some(_) => return Err(Failure::usage("--format must be jwk or pem")),
    };
    if arguments.operands().is_empty() {
        return Err(Failure::usage("jwks requires at least one FILE"));
    }
    let mut keys = Vec::new();
    for path in arguments.operands() {
        let (found, skipped) = key_file::verifying(path, algorithm)?;
        // A published set must contain all of its keys.
        if let Some(first) = skipped.first() {
            return Err(Failure::data(format!("{path}: {first}")));
        }
        if found.iter().any(|key| key.algorithm().is_symmetric()) {
            return Err(Failure::data(format!(
                "{path} is a secret, which has no public half: anyone who can verify with it can \
                 also sign; share it like a password, or use a key pair"
            )));
        }
        keys.extend(found);
    }
    let set = KeySet::new(keys).map_err(Failure::data)?;
    if is_pem {
        let texts: Result<String, _> = set.iter().map(VerifyingKey::to_pem).collect();
        return texts.map(Into::into).map_err(Failure::system);
    }
    Ok(format!("{:#}", set.to_jwks()).into())
}
