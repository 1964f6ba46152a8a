//! The problem of each status code.

/// Returns the code and title of a status. A status that no framework sends on its own gets those
/// of its class.
pub(super) fn code_and_title(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("bad_request", "The request is malformed"),
        401 => ("unauthenticated", "Credentials are missing or not valid"),
        403 => ("forbidden", "The request is not allowed"),
        404 => ("not_found", "There is nothing here"),
        405 => ("method_not_allowed", "The method is not allowed here"),
        406 => ("not_acceptable", "No acceptable representation exists"),
        408 => ("request_timeout", "The request took too long to arrive"),
        409 => ("conflict", "The request conflicts with the current state"),
        410 => ("gone", "What was here is gone"),
        411 => ("length_required", "The length of the body is required"),
        412 => ("precondition_failed", "A precondition does not hold"),
        413 => ("body_too_large", "The request body is too large"),
        414 => ("uri_too_long", "The target of the request is too long"),
        415 => ("unsupported_media_type", "The type of the body is not supported"),
        416 => ("range_not_satisfiable", "The range cannot be satisfied"),
        417 => ("expectation_failed", "The expectation cannot be met"),
        421 => ("misdirected_request", "The request was sent to the wrong host"),
        422 => ("unprocessable", "The content of the request cannot be processed"),
        426 => ("upgrade_required", "Another protocol is required"),
        428 => ("precondition_required", "The request must be conditional"),
        429 => ("rate_limited", "Too many requests"),
        431 => ("headers_too_large", "The header fields of the request are too large"),
        500 => ("internal_error", "Something went wrong on our side"),
        501 => ("not_implemented", "This is not implemented"),
        502 => ("bad_gateway", "A service that this one depends on failed"),
        503 => ("unavailable", "The service is not available right now"),
        504 => ("gateway_timeout", "A service that this one depends on took too long"),
        505 => ("http_version_not_supported", "The version of HTTP is not supported"),
        506.. => ("server_error", "The request failed on our side"),
        _ => ("client_error", "The request was refused"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::StatusCode;

    use super::*;
    use crate::Problem;

    #[test]
    fn every_error_status_has_a_problem_of_its_own_status() {
        for number in 400..=599 {
            let status = StatusCode::from_u16(number).unwrap();
            assert_eq!(Problem::from_status(status).status(), status);
            assert!(Problem::from_status(status).title().is_ascii(), "{number}");
        }
    }

    #[test]
    fn a_code_belongs_to_one_status() {
        let mut statuses = BTreeMap::<_, Vec<u16>>::new();
        for number in 400..=599 {
            statuses.entry(code_and_title(number).0).or_default().push(number);
        }
        statuses.retain(|_, numbers| numbers.len() > 1);
        let shared: Vec<_> = statuses.into_keys().collect();
        assert_eq!(shared, ["client_error", "server_error"]);
    }
}
