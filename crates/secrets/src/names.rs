//! Names of variables: valid names, likely typos, and names that the platform sets.

/// Whether this is a valid name for a secret. It must work as a variable, as a variable with the
/// suffix `_FILE`, and as a file name.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.to_ascii_uppercase().ends_with("_FILE")
}

/// The known name that is nearest to `name`, if one is near enough.
///
/// Compares the parts after the prefix. Names that differ in more than half of it are not near.
pub(crate) fn nearest<'a>(
    prefix: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let tail = name.strip_prefix(prefix)?;
    known
        .filter_map(|candidate| {
            let other = candidate.strip_prefix(prefix)?;
            let bound = tail.len().max(other.len()) / 2;
            // Rejects most candidates by their length, without computing the distance.
            (tail.len().abs_diff(other.len()) <= bound)
                .then(|| (distance(tail, other), candidate))
                .filter(|(distance, _)| *distance <= bound)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (1..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        for (cell, y) in row.iter_mut().zip(b.bytes()) {
            let up = *cell;
            left = (diagonal + usize::from(x != y)).min(up + 1).min(left + 1);
            *cell = left;
            diagonal = up;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// Whether Kubernetes or Docker set this variable for a service with this prefix as its name.
///
/// They set `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_SERVICE_PORT_<PORT NAME>`, `X_PORT` with a URL,
/// and `X_PORT_<N>_<PROTOCOL>`, also with the suffix `_PROTO`, `_PORT` or `_ADDR`.
pub(crate) fn is_service_link(name: &str, value: &[u8]) -> bool {
    let url = |scheme: &str| value.starts_with(scheme.as_bytes());
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && ["tcp://", "udp://", "sctp://"].into_iter().any(url))
        || name.split_once("_PORT_").is_some_and(|(_, tail)| is_port_of_link(tail))
}

/// Whether the part after `_PORT_` is like `80_TCP` or `80_TCP_ADDR`.
fn is_port_of_link(tail: &str) -> bool {
    let mut parts = tail.split('_');
    let port = parts.next().unwrap_or_default();
    let protocol = parts.next().unwrap_or_default();
    let last = parts.next();
    !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(protocol, "TCP" | "UDP" | "SCTP")
        && matches!(last, None | Some("PROTO" | "PORT" | "ADDR"))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_name_that_is_a_variable_and_a_file() {
        for good in ["DATABASE_PASSWORD", "k", "Api_Key2", "FILE", "FILES_KEY"] {
            assert!(is_secret_name(good), "{good}");
        }
        for bad in ["", "../shadow", "a/b", "a.b", "A B", "A=B", "KEY_FILE", "key_file", "clé"] {
            assert!(!is_secret_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("LSITEN", "LISTEN", 2),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn only_a_near_name_is_offered() {
        let known = ["X_ENV", "X_LOG", "X_LISTEN", "X_ADMIN_LISTEN", "X_REDIS_URL"];
        for (typed, meant) in [
            ("X_LSITEN", Some("X_LISTEN")),
            ("X_REDIS", Some("X_REDIS_URL")),
            ("X_ADMINLISTEN", Some("X_ADMIN_LISTEN")),
            ("X_LOGS", Some("X_LOG")),
            ("X_DAD", None),
            ("X_", None),
        ] {
            assert_eq!(nearest("X_", typed, known.into_iter()), meant, "{typed}");
        }
    }

    #[test]
    fn variables_of_a_service_link_are_told_from_settings() {
        for (name, value) in [
            ("APP_SERVICE_HOST", "10.0.0.1"),
            ("APP_SERVICE_PORT", "80"),
            ("APP_SERVICE_PORT_HTTP", "80"),
            ("APP_PORT", "tcp://10.0.0.1:80"),
            ("APP_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("APP_PORT_53_UDP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_link(name, value.as_bytes()), "{name}");
        }
        for (name, value) in [
            ("APP_PORT", "8080"),
            ("APP_PORT_RANGE", "1-2"),
            ("APP_PORT_80_TCP_ADDRESS", "x"),
            ("APP_PORT__TCP", "x"),
            ("APP_LISTEN", "tcp://0.0.0.0:80"),
        ] {
            assert!(!is_service_link(name, value.as_bytes()), "{name}");
        }
    }
}
