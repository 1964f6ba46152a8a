//! The command line for tokens: it makes keys and tokens that others can check, and checks theirs.
//!
//! Keys are read from files alone, since everybody on a machine sees the arguments of a process.
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
An RSA key in PEM does not say its own: without --algorithm it is RS256.
A FILE holds PEM, a JWK or, for jwks and verify, a JWK set. Without TOKEN it is read from stdin.

Exit codes: 1 the token was refused, 64 this usage, 65 a file holds no such key, 66 a file cannot be
read, 71 the system failed.";

/// Runs one of the commands: the words behind `token`.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let done = match words {
        ["make-key", rest @ ..] => make_key::run(rest),
        ["jwks", rest @ ..] => jwks::run(rest),
        ["issue", rest @ ..] => issue::run(rest),
        ["verify", rest @ ..] => verify::run(rest),
        _ => Err(Failure::usage("a command is make-key, jwks, issue or verify")),
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

/// Unlike `println`, it does not panic when nobody reads any more.
fn print(text: &Secret<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = writeln!(out, "{}", text.expose().trim_end()).and_then(|()| out.flush());
    printed.map_err(|error| Failure::system(format!("stdout cannot be written: {error}")))
}

/// What a command prints, wiped when it is dropped, since it may be a key.
type Printed = Result<Secret<str>, Failure>;

/// Why a command did not do what it was asked to, and the code that the process ends with.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

/// Codes of sysexits, but for the first: so that a script can tell a token that was refused from
/// everything else that may go wrong.
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
