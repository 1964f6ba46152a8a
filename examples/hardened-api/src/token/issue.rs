//! `issue`: signs a token.

use std::time::Duration;

use hardpoint::auth::{IssueError, IssuedToken, Scopes, TokenIssuer};
use serde_json::Value;

use super::{Failure, Printed, arguments::Arguments, key_file};

const OPTIONS: [&str; 9] = [
    "--algorithm",
    "--audience",
    "--claim",
    "--issuer",
    "--key",
    "--profile",
    "--scope",
    "--subject",
    "--ttl",
];

pub(super) fn run(words: &[&str]) -> Printed {
    let arguments = Arguments::read(words, &OPTIONS)?;
    if !arguments.operands().is_empty() {
        return Err(Failure::usage("issue takes only options"));
    }
    let (path, algorithm) = (arguments.required("--key")?, arguments.algorithm()?);
    let (issuer, audience) = (arguments.required("--issuer")?, arguments.required("--audience")?);
    let subject = arguments.required("--subject")?;
    let scopes = arguments.optional("--scope")?.map(str::parse::<Scopes>).transpose();
    let scopes = scopes.map_err(|error| Failure::usage(format!("--scope: {error}")))?;
    let lifetime = arguments.optional("--ttl")?.map(duration).transpose()?;
    let profile = arguments.profile()?;
    let claims = arguments.all("--claim").map(claim).collect::<Result<Vec<_>, _>>()?;

    let key = key_file::signing(path, algorithm)?;
    let mut builder = TokenIssuer::builder(key).issuer(issuer).audience(audience).profile(profile);
    if let Some(lifetime) = lifetime {
        builder = builder.lifetime(lifetime);
    }
    let issuer = builder.build().map_err(Failure::usage)?;
    let mut token = issuer.token(subject).scopes(scopes.iter().flat_map(Scopes::iter));
    for (name, value) in claims {
        token = token.claim(name, value);
    }
    token.sign().map(IssuedToken::into_secret).map_err(|error| match error {
        IssueError::Claims | IssueError::Subject | IssueError::TooLong => Failure::usage(error),
        _ => Failure::system(error),
    })
}

fn duration(text: &str) -> Result<Duration, Failure> {
    humantime::parse_duration(text)
        .map_err(|_| Failure::usage("--ttl must be a duration, such as 90s, 15m or 1day"))
}

fn claim(text: &str) -> Result<(&str, Value), Failure> {
    let (name, json) = text.split_once('=').unwrap_or_default();
    match serde_json::from_str(json) {
        Ok(value) if !name.is_empty() => Ok((name, value)),
        _ => Err(Failure::usage(
            r#"--claim must be a name, `=` and JSON, such as admin=true or name='"Alice"'"#,
        )),
    }
}
