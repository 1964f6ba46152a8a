//! The report in the format of draft-inadarei-api-health-check-06, for tools that ask for it.

use http::{HeaderMap, StatusCode, header::ACCEPT};
use serde_json::{Map, Value, json};

use crate::{
    board::{Board, Verdict},
    check::{Tracked, state::Status},
};

pub(super) const MEDIA_TYPE: &str = "application/health+json";

/// Whether the client asks for this format by name. A wildcard gets the usual report.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(MEDIA_TYPE));
        named && !parts.any(is_zero_weight)
    })
}

/// A weight of 0 means *not acceptable* (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
}

/// The report and its status: the draft requires a status of 4xx or 5xx for `fail` (§3.1).
pub(super) fn report(board: &Board) -> (StatusCode, Value) {
    let verdict = board.verdict();
    let (status, word) = match verdict {
        Verdict::Ok => (StatusCode::OK, "pass"),
        Verdict::Degraded => (StatusCode::OK, "warn"),
        Verdict::Draining | Verdict::NotReady | Verdict::Stalled | Verdict::Starting => {
            (StatusCode::SERVICE_UNAVAILABLE, "fail")
        }
    };
    let checks: Map<_, _> = board
        .checks()
        .map(|check| (check.name.to_string(), json!([observation(board, check)])))
        .collect();
    let mut report = json!({ "status": word, "checks": checks });
    if word != "pass" {
        report["output"] = verdict.as_str().into();
    }
    (status, report)
}

fn observation(board: &Board, check: &Tracked) -> Value {
    let state = check.state();
    let (word, output) = match state.status {
        _ if board.skips(check) => ("warn", Some("skipped")),
        Status::Up => ("pass", None),
        Status::Unknown => ("warn", Some("unknown")),
        Status::Down if check.gates_readiness => ("fail", check.code(state)),
        Status::Down => ("warn", check.code(state)),
    };
    let mut observation = json!({ "componentType": "component", "status": word });
    if state.status != Status::Unknown || state.streak > 0 {
        observation["observedValue"] = state.took_ms.into();
        observation["observedUnit"] = "ms".into();
    }
    if let Some(output) = output {
        observation["output"] = output.into();
    }
    observation
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_name_of_the_format_asks_for_it() {
        let wanted = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            is_wanted(&headers)
        };
        for yes in [
            "application/health+json",
            "text/html, Application/Health+JSON;q=0.5, */*",
            "application/health+json; charset=utf-8",
        ] {
            assert!(wanted(&[yes]), "{yes}");
        }
        assert!(wanted(&["text/html", "application/health+json"]));
        let no = ["", "*/*", "application/*", "application/json", "application/health+json;q=0"];
        for no in
            [&no[..], &["application/health+json ; Q=0.000", "application/health+jsonp"]].concat()
        {
            assert!(!wanted(&[no]), "{no}");
        }
        assert!(!wanted(&[]));
    }
}
