//! The command line for tokens: makes keys and tokens that other software can verify, and verifies
//! the tokens of other software.
//!
//! Keys are read only from files, because the arguments of a process are visible to all users of a
//! machine.
//! `make-key` is the only command that prints a secret.

mod arguments;
mod issue;
mod jwks;
mod key_file;
mod make_key;
mod verify;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use hardpoint::core::Secret;

const USAGE: &str = "\
usage: hardened-api token make-key ALGORITHM
       hardened-api token jwks [--algorithm ALGORITHM] [--format jwk|pem] FILE..
       hardened-api token issue --key FILE [--algorithm ALGORITHM] --issuer ISSUER
           --audience AUDIENCE --subject SUBJECT [--scope SCOPES] [--ttl 15m]
           [--profile rfc9068|plain] [--claim NAME=JSON]..
       hardened-api token verify --keys FILE [--algorithm ALGORITHM] --issuer ISSUER
           --audience AUDIENCE [--profile rfc9068|plain] [TOKEN|-]

ALGORITHM is EdDSA, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384 or HS512.
An RSA key in PEM does not name its algorithm; without --algorithm it is RS256.
A FILE contains PEM, a JWK or, for jwks and verify, a JWK set. Without TOKEN, reads it from stdin.

Exit codes: 1 the token was rejected, 64 invalid usage, 65 a file contains no such key, 66 a file
cannot be read, 71 the system failed.";

/// Runs a command, given the words after `token`.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let done = match words {
        ["make-key", rest @ ..] => make_key::run(rest),
        ["jwks", rest @ ..] => jwks::run(rest),
        ["issue", rest @ ..] => issue::run(rest),
        ["verify", rest @ ..] => verify::run(rest),
        _ => Err(Failure::usage("the command must be make-key, jwks, issue or verify")),
    };
    match done.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("{message}");
            if code == crate::USAGE {
                eprintln!("\n{USAGE}");
            }
            ExitCode::from(code)
        }
    }
}

/// Unlike `println`, does not panic if stdout is closed.
fn print(text: &Secret<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{}", text.expose().trim_end()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::system(format!("cannot write to stdout: {error}")))
}

/// The output of a command. It is wiped on drop, because it may be a key.
type Printed = Result<Secret<str>, Failure>;

/// Why a command failed, and the exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

/// The codes are those of sysexits, except for 1, so that a script can distinguish a rejected token
/// from every other failure.
impl Failure {
    fn refused(reason: impl Display) -> Self {
        Self { code: 1, message: reason.to_string() }
    }

    fn usage(reason: impl Display) -> Self {
        Self { code: crate::USAGE, message: reason.to_string() }
    }

    fn data(reason: impl Display) -> Self {
        Self { code: 65, message: reason.to_string() }
    }

    fn unreadable(reason: impl Display) -> Self {
        Self { code: 66, message: reason.to_string() }
    }

    fn system(reason: impl Display) -> Self {
        Self { code: 71, message: reason.to_string() }
    }
}
