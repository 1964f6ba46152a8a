//! Which lines are written.

use tracing_subscriber::EnvFilter;

use super::ConfigError;

/// The target of the span that puts the ids of a request on each of its lines.
const SPAN: &str = "hardpoint::request";

/// Reads a filter, and lets the span of the request pass unless it is named.
///
/// Stricter than [`EnvFilter`], which reads `inof` as everything of a target of that name, and so
/// silences the rest; and ` hyper` after a comma as a target that begins with a blank.
pub(super) fn parse(text: &str) -> Result<EnvFilter, ConfigError> {
    let mut directives = Vec::new();
    for directive in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if !is_meant(directive) || EnvFilter::try_new(directive).is_err() {
            return Err(ConfigError::Filter {
                value: text.to_owned(),
                directive: directive.to_owned(),
            });
        }
        directives.push(directive);
    }
    if directives.is_empty() {
        return Err(ConfigError::EmptyFilter);
    }
    let span = format!("{SPAN}=error");
    if directives != ["off"] && !text.contains(SPAN) {
        directives.push(&span);
    }
    EnvFilter::try_new(directives.join(","))
        .map_err(|_| ConfigError::Filter { value: text.to_owned(), directive: text.to_owned() })
}

/// A level, `target=level`, or something about spans.
fn is_meant(directive: &str) -> bool {
    let stray = |char: char| char.is_whitespace() || char == ';';
    directive.contains('[')
        || is_level(directive)
        || directive.contains('=') && !directive.ends_with('=') && !directive.contains(stray)
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
        for text in ["", " ", ",", " , "] {
            assert_eq!(parse(text).err(), Some(ConfigError::EmptyFilter), "{text:?}");
        }
    }
}
