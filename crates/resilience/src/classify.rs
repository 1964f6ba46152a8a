//! What a finished call shows about its destination.

use std::{error::Error, fmt, io, sync::Arc};

use http::{HeaderMap, HeaderName, StatusCode};

use crate::{BulkheadFull, CircuitOpen, TimedOut};

/// As a name and not as a text, which would be parsed for each response.
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// What a finished call shows about its destination. Retry and the circuit breaker decide by it.
///
/// [`Classifier`] assigns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// The destination or the connection failed while it had the request: it may have acted on it.
    /// 500, 502, 504, a reset connection, any error that no other class covers.
    Failed,
    /// The destination never saw the request: it refused the connection.
    NotSent,
    /// The destination answered that this request cannot succeed. 400 to 499 and 501 to 599, unless
    /// another class covers them.
    Rejected,
    /// A policy of this process refused the call: an open circuit, a full bulkhead.
    Shed,
    /// Any other response.
    Success,
    /// The destination asks for fewer calls and did not act on this one. 429, RESOURCE_EXHAUSTED.
    Throttled,
    /// The call took too long. 408, an attempt's timeout.
    TimedOut,
    /// The destination cannot serve calls at present. 503, UNAVAILABLE.
    Unavailable,
}

impl Class {
    /// Whether the class is a failure of the destination or of the connection to it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Rejected | Self::Shed | Self::Success)
    }

    /// The class as one lowercase word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::NotSent => "not_sent",
            Self::Rejected => "rejected",
            Self::Shed => "shed",
            Self::Success => "success",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
        }
    }

    /// The class of a response with this status.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status.as_u16() {
            429 => Self::Throttled,
            503 => Self::Unavailable,
            408 => Self::TimedOut,
            500 | 502 | 504 => Self::Failed,
            400.. => Self::Rejected,
            _ => Self::Success,
        }
    }

    /// The class of a gRPC status, as the number in `grpc-status`.
    #[must_use]
    pub fn from_grpc_status(code: u32) -> Self {
        match code {
            0 => Self::Success,
            4 => Self::TimedOut,
            8 => Self::Throttled,
            14 => Self::Unavailable,
            // UNKNOWN, INTERNAL, DATA_LOSS, and numbers that do not exist.
            2 | 13 | 15 | 17.. => Self::Failed,
            _ => Self::Rejected,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

type OfResponse = dyn Fn(StatusCode, &HeaderMap) -> Option<Class> + Send + Sync;
type OfError = dyn Fn(&(dyn Error + 'static)) -> Option<Class> + Send + Sync;

/// Assigns a [`Class`] to each response and error. Clones share its functions.
///
/// ```
/// use hardpoint_resilience::{Class, Classifier};
/// use http::{HeaderMap, StatusCode};
///
/// // A destination that answers 409 while it restarts.
/// let classifier = Classifier::new().response(|status, _headers| {
///     (status == StatusCode::CONFLICT).then_some(Class::Unavailable)
/// });
/// let headers = HeaderMap::new();
/// assert_eq!(classifier.classify_response(StatusCode::CONFLICT, &headers), Class::Unavailable);
/// assert_eq!(classifier.classify_response(StatusCode::NOT_FOUND, &headers), Class::Rejected);
/// ```
///
/// # Semantics
/// 1. The functions set by [`response`](Self::response) and [`error`](Self::error) come first. The
///    last one that was set is asked first.
/// 2. A response with `grpc-status` in its head is classified by it, any other by its status.
/// 3. An error is classified by the first error of its chain of sources that is known: an error of
///    this crate, or an [`io::Error`] of the kind `ConnectionRefused`, which only an attempt to
///    connect causes. Every other error is [`Class::Failed`].
#[derive(Clone, Default)]
#[must_use]
pub struct Classifier {
    of_response: Option<Arc<OfResponse>>,
    of_error: Option<Arc<OfError>>,
}

impl Classifier {
    /// Classifies by the rules above.
    pub const fn new() -> Self {
        Self { of_response: None, of_error: None }
    }

    /// Adds a function that classifies responses by their status and headers. `None` leaves the
    /// response to the previous rules.
    pub fn response<F>(mut self, classify: F) -> Self
    where
        F: Fn(StatusCode, &HeaderMap) -> Option<Class> + Send + Sync + 'static,
    {
        self.of_response = Some(match self.of_response.take() {
            None => Arc::new(classify),
            Some(previous) => Arc::new(move |status, headers: &HeaderMap| {
                classify(status, headers).or_else(|| previous(status, headers))
            }),
        });
        self
    }

    /// Adds a function that classifies errors. It is called for each error of a chain of sources,
    /// outermost first. `None` leaves the error to the previous rules.
    pub fn error<F>(mut self, classify: F) -> Self
    where
        F: Fn(&(dyn Error + 'static)) -> Option<Class> + Send + Sync + 'static,
    {
        self.of_error = Some(match self.of_error.take() {
            None => Arc::new(classify),
            Some(previous) => Arc::new(move |error: &(dyn Error + 'static)| {
                classify(error).or_else(|| previous(error))
            }),
        });
        self
    }

    /// The class of a response with this head.
    #[must_use]
    pub fn classify_response(&self, status: StatusCode, headers: &HeaderMap) -> Class {
        let own = self.of_response.as_ref().and_then(|classify| classify(status, headers));
        own.or_else(|| grpc_class(headers)).unwrap_or_else(|| Class::from_status(status))
    }

    /// The class of an error.
    #[must_use]
    pub fn classify_error(&self, error: &(dyn Error + 'static)) -> Class {
        let own = self.of_error.as_ref();
        let own = own.and_then(|classify| chain(error).find_map(|error| classify(error)));
        own.or_else(|| chain(error).find_map(known_error)).unwrap_or(Class::Failed)
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("response", &self.of_response.is_some())
            .field("error", &self.of_error.is_some())
            .finish()
    }
}

/// The class of the `grpc-status` in `headers`, which may be a response's trailers.
fn grpc_class(headers: &HeaderMap) -> Option<Class> {
    let value = headers.get(&GRPC_STATUS)?;
    // A value that is not a number counts as UNKNOWN, as in the gRPC specification.
    let code = value.to_str().ok().and_then(|text| text.parse().ok());
    Some(code.map_or(Class::Failed, Class::from_grpc_status))
}

/// The error and its sources, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (**error).source())
}

/// The class of one error of a chain, if it is known.
fn known_error(error: &(dyn Error + 'static)) -> Option<Class> {
    if error.is::<CircuitOpen>() || error.is::<BulkheadFull>() {
        return Some(Class::Shed);
    }
    if error.is::<TimedOut>() {
        return Some(Class::TimedOut);
    }
    let io = error.downcast_ref::<io::Error>()?;
    (io.kind() == io::ErrorKind::ConnectionRefused).then_some(Class::NotSent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        for (status, class) in [
            (200, Class::Success),
            (304, Class::Success),
            (400, Class::Rejected),
            (404, Class::Rejected),
            (408, Class::TimedOut),
            (429, Class::Throttled),
            (500, Class::Failed),
            (501, Class::Rejected),
            (502, Class::Failed),
            (503, Class::Unavailable),
            (504, Class::Failed),
            (505, Class::Rejected),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let found = Classifier::new().classify_response(status, &HeaderMap::new());
            assert_eq!(found, class, "{status}");
        }
    }

    #[test]
    fn a_grpc_status_comes_before_the_status() {
        let classify = |code: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", http::HeaderValue::from_static(code));
            Classifier::new().classify_response(StatusCode::OK, &headers)
        };
        assert_eq!(classify("0"), Class::Success);
        assert_eq!(classify("3"), Class::Rejected);
        assert_eq!(classify("4"), Class::TimedOut);
        assert_eq!(classify("8"), Class::Throttled);
        assert_eq!(classify("13"), Class::Failed);
        assert_eq!(classify("14"), Class::Unavailable);
        assert_eq!(classify("99"), Class::Failed);
        assert_eq!(classify("banana"), Class::Failed);
    }

    #[test]
    fn an_error_is_known_by_any_of_its_sources() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the client failed")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }

        let classifier = Classifier::new();
        let refused = Outer(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(classifier.classify_error(&refused), Class::NotSent);
        let reset = Outer(io::ErrorKind::ConnectionReset.into());
        assert_eq!(classifier.classify_error(&reset), Class::Failed);
        let classifier = classifier.error(|error| error.is::<Outer>().then_some(Class::Shed));
        assert_eq!(classifier.classify_error(&reset), Class::Shed);
    }

    #[test]
    fn the_last_function_is_asked_first() {
        let classifier = Classifier::new()
            .response(|status, _| (status == 404 || status == 409).then_some(Class::Failed))
            .response(|status, _| (status == 404).then_some(Class::Success));
        let class = |status| {
            let status = StatusCode::from_u16(status).unwrap();
            classifier.classify_response(status, &HeaderMap::new())
        };
        assert_eq!(class(404), Class::Success);
        assert_eq!(class(409), Class::Failed);
        assert_eq!(class(410), Class::Rejected);
    }
}
