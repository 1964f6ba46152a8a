//! Which lines are written.

use tracing_subscriber::{EnvFilter, filter::Directive};

use super::ConfigError;

/// The target of the span that adds a request's ids to each of its lines.
pub(super) const SPAN: &str = "hardpoint::request";

/// Parses a filter. The request's span passes unless the filter names it.
///
/// This is stricter than [`EnvFilter`], which parses `inof` as everything of a target of that name,
/// silencing the rest, and ` hyper` after a comma as a target that begins with a space.
pub(super) fn parse(text: &str) -> Result<EnvFilter, ConfigError> {
    let mistake = |directive: &str| ConfigError::Filter {
        value: text.to_owned(),
        directive: directive.to_owned(),
        instead: spelled(directive),
    };
    // `EnvFilter` splits at every comma, even between the fields of a span.
    let mut plain = Vec::new();
    let mut with_commas = Vec::new();
    let mut named = false;
    for directive in directives(text).map(str::trim).filter(|part| !part.is_empty()) {
        let read: Directive = directive.parse().map_err(|_| mistake(directive))?;
        if !is_meant(directive) || spelled(directive).is_some() {
            return Err(mistake(directive));
        }
        named |= directive.split(['[', '=']).next() == Some(SPAN);
        if directive.contains(',') {
            with_commas.push(read);
        } else {
            plain.push(directive);
        }
    }
    if plain.is_empty() && with_commas.is_empty() {
        return Err(ConfigError::EmptyFilter);
    }
    let span = format!("{SPAN}=error");
    if !named && (plain != ["off"] || !with_commas.is_empty()) {
        plain.push(&span);
    }
    if plain.is_empty() {
        // `EnvFilter` parses an empty text as `error` for every target.
        plain.push("off");
    }
    let filter = EnvFilter::try_new(plain.join(",")).map_err(|_| mistake(text))?;
    Ok(with_commas.into_iter().fold(filter, EnvFilter::add_directive))
}

/// Splits at the commas outside brackets.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |char| {
        match char {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        char == ',' && !inside
    })
}

/// Returns `true` for a level, `target=level`, or a directive about spans.
fn is_meant(directive: &str) -> bool {
    let stray = |char: char| char.is_whitespace() || char == ';';
    directive.contains('[')
        || is_level(directive)
        || directive.contains('=') && !directive.ends_with('=') && !directive.contains(stray)
}

/// The spelling of a directive that matches something: the name of a crate has `_` where that of its
/// package has `-`, a target includes everything below it, and a variable's name is not part of its
/// value.
fn spelled(directive: &str) -> Option<String> {
    let (target, rest) = directive.split_once('=').filter(|_| !directive.contains('['))?;
    let is_variable = target.contains(|char: char| char.is_ascii_uppercase())
        && target.chars().all(|char| char.is_ascii_uppercase() || matches!(char, '_' | '0'..='9'));
    if is_variable {
        return Some(rest.to_owned());
    }
    let plain = target.trim_end_matches("::*").trim_end_matches('*').trim_end_matches("::");
    let plain = plain.replace('-', "_");
    match plain.as_str() {
        "" if target.contains('*') => Some(rest.to_owned()),
        plain if plain != target && !target.is_empty() => Some(format!("{plain}={rest}")),
        _ => None,
    }
}

fn is_level(text: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|level| level.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_read() {
        for (text, expected) in [
            ("info", "hardpoint::request=error,info"),
            ("[span{id=7}]=debug,warn", "hardpoint::request=error,warn,[span{id=7}]=debug"),
            ("[span{a=1,b=2}]=debug,warn", "hardpoint::request=error,warn,[span{a=1,b=2}]=debug"),
            (
                "hardpoint::request_x=debug,info",
                "hardpoint::request_x=debug,hardpoint::request=error,info",
            ),
            ("info , hyper=debug,", "hardpoint::request=error,hyper=debug,info"),
            ("hardpoint::request=off,info", "hardpoint::request=off,info"),
            ("off", "off"),
        ] {
            let read = parse(text).map(|filter| filter.to_string()).unwrap_or_default();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn what_would_silence_the_log_by_mistake_is_refused() {
        for text in [
            "inof",
            "info,hyper",
            "hyper=loud",
            "hyper=",
            "=",
            "info;hyper=warn",
            "hyper = warn",
            "7",
        ] {
            let refused = parse(text).err();
            assert!(
                matches!(&refused, Some(ConfigError::Filter { value, .. }) if value == text),
                "{text:?}: {refused:?}"
            );
        }
        for (text, instead) in [
            ("hardened-api=debug", "hardened_api=debug"),
            ("info,tower-http::trace=debug", "tower_http::trace=debug"),
            ("a::*=debug", "a=debug"),
            ("a::b::=debug", "a::b=debug"),
            ("*=warn", "warn"),
            ("RUST_LOG=info", "info"),
            ("HARDPOINT_LOG=info,hyper=warn", "info"),
        ] {
            let error = parse(text).map(drop).unwrap_err().to_string();
            assert!(error.ends_with(&format!("write `{instead}`")), "{text}: {error}");
        }
        for text in ["", " ", ",", " , "] {
            assert_eq!(parse(text).err(), Some(ConfigError::EmptyFilter), "{text:?}");
        }
    }
}
