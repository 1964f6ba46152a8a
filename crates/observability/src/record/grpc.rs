//! The end of a gRPC response, and the methods that exist.

use std::{
    borrow::Cow,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Arc, OnceLock},
};

use hardpoint_core::{Outcome, Route};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

/// Methods that are learned at most. More are recorded as unmatched.
const LEARNED: usize = 256;

/// Places that are searched for a method.
const PROBES: usize = 16;

/// The longest path that is a method, in bytes.
const LONGEST: usize = 256;

/// A code of `grpc-status`. Numbers that gRPC does not define are `UNKNOWN`, as clients read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u8);

impl Code {
    const UNKNOWN: Self = Self(2);

    /// The code of a head or of trailers, if they have one.
    pub(super) fn find(fields: &HeaderMap) -> Option<Self> {
        let value = fields.get("grpc-status")?;
        let code = value.to_str().ok().and_then(|text| text.parse().ok());
        Some(code.filter(|code| *code <= 16).map_or(Self::UNKNOWN, Self))
    }

    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// The HTTP status of the same meaning, as `google.rpc.Code` maps them. A method that does not
    /// exist is a path that does not exist: the client's mistake.
    pub(super) const fn status(self) -> StatusCode {
        match self.0 {
            0 => StatusCode::OK,
            // RFC 9110 has no status for it; nginx's 499 is not registered.
            1 => StatusCode::REQUEST_TIMEOUT,
            3 | 9 | 11 => StatusCode::BAD_REQUEST,
            4 => StatusCode::GATEWAY_TIMEOUT,
            5 | 12 => StatusCode::NOT_FOUND,
            6 | 10 => StatusCode::CONFLICT,
            7 => StatusCode::FORBIDDEN,
            8 => StatusCode::TOO_MANY_REQUESTS,
            14 => StatusCode::SERVICE_UNAVAILABLE,
            16 => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The outcome of a response that a service made itself. `None` for success and for mistakes of
    /// the client, as for a status below 500.
    pub(super) const fn outcome(self) -> Option<Outcome> {
        match self.0 {
            4 => Some(Outcome::TimedOut),
            2 | 13 | 14 | 15 => Some(Outcome::Failed),
            _ => None,
        }
    }

    /// Whether only an existing method sends this code. Interceptors and layers send the other
    /// codes before the path is routed, and `UNIMPLEMENTED` is the answer to an unknown path.
    const fn comes_from_a_method(self) -> bool {
        matches!(self.0, 0 | 5 | 6 | 9 | 10 | 11 | 13 | 15)
    }
}

/// The end of a gRPC response, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The status will come in the trailers.
    Awaited,
    /// The status is known.
    Code(Code),
    /// The response ended without a status, which clients report as an error.
    Missing,
}

impl End {
    /// The end after this head, if it is one of gRPC. The service chose its content type; that of
    /// the request is the client's choice and decides nothing.
    pub(super) fn from_head(headers: &HeaderMap, is_end: bool) -> Option<Self> {
        if !headers.get(CONTENT_TYPE).is_some_and(is_grpc) {
            return None;
        }
        Some(match Code::find(headers) {
            Some(code) => Self::Code(code),
            None if is_end => Self::Missing,
            None => Self::Awaited,
        })
    }

    /// The end after the body, with its trailers.
    pub(super) fn after(self, trailers: Option<&HeaderMap>) -> Self {
        match (self, trailers.and_then(Code::find)) {
            (Self::Awaited, Some(code)) => Self::Code(code),
            (Self::Awaited, None) => Self::Missing,
            (known, _) => known,
        }
    }

    pub(super) const fn code(self) -> Option<Code> {
        match self {
            Self::Code(code) => Some(code),
            Self::Missing => Some(Code::UNKNOWN),
            Self::Awaited => None,
        }
    }

    /// Whether a method made this response. A head without a status announces a message, which only
    /// a method has.
    pub(super) const fn comes_from_a_method(self) -> bool {
        match self {
            Self::Awaited => true,
            Self::Code(code) => code.comes_from_a_method(),
            Self::Missing => false,
        }
    }
}

/// Whether this is the content type of gRPC. gRPC-Web sends its trailers in the body.
pub(super) fn is_grpc(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Whether a path has the form `/package.Service/Method`.
fn is_method(path: &str) -> bool {
    let name = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
    };
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    path.len() <= LONGEST && parts.is_some_and(|(service, method)| name(service) && name(method))
}

/// The methods that exist: those that were declared, and those that answered.
///
/// Reading takes no lock, and the table has a fixed size, so clients can neither contend for it nor
/// fill memory or labels with names of their own.
#[derive(Clone, Debug)]
pub(super) struct Methods {
    declared: Arc<[Route]>,
    learned: Arc<[OnceLock<Route>]>,
}

impl Methods {
    pub(super) fn new() -> Self {
        let learned = (0..LEARNED).map(|_| OnceLock::new()).collect();
        Self { declared: Arc::new([]), learned }
    }

    pub(super) fn declare(&mut self, paths: impl Iterator<Item = Cow<'static, str>>) {
        let mut all: Vec<Route> = self.declared.iter().cloned().collect();
        all.extend(paths.map(|path| match path {
            Cow::Borrowed(path) => Route::from_static(path),
            Cow::Owned(path) => Route::from(path),
        }));
        all.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        self.declared = all.into();
    }

    pub(super) fn declared(&self, path: &str) -> Option<&Route> {
        let found = self.declared.binary_search_by(|route| route.as_str().cmp(path));
        self.declared.get(found.ok()?)
    }

    pub(super) fn learned(&self, path: &str) -> Option<&Route> {
        self.places(path).map_while(OnceLock::get).find(|route| route.as_str() == path)
    }

    /// Adds a method that has answered, and returns it; `None` if it cannot be one or there is no
    /// room.
    pub(super) fn learn(&self, path: &str) -> Option<&Route> {
        if !is_method(path) {
            return None;
        }
        self.places(path).map(|place| place.get_or_init(|| path.into())).find(|route| {
            // Another thread may have taken the place.
            route.as_str() == path
        })
    }

    fn places(&self, path: &str) -> impl Iterator<Item = &OnceLock<Route>> {
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(path);
        let start = usize::try_from(hash % LEARNED as u64).unwrap_or(0);
        self.learned.iter().cycle().skip(start).take(PROBES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_code_has_a_status_and_an_outcome() {
        for (code, status, outcome) in [
            ("0", 200, None),
            ("1", 408, None),
            ("2", 500, Some(Outcome::Failed)),
            ("3", 400, None),
            ("4", 504, Some(Outcome::TimedOut)),
            ("5", 404, None),
            ("6", 409, None),
            ("7", 403, None),
            ("8", 429, None),
            ("9", 400, None),
            ("10", 409, None),
            ("11", 400, None),
            ("12", 404, None),
            ("13", 500, Some(Outcome::Failed)),
            ("14", 503, Some(Outcome::Failed)),
            ("15", 500, Some(Outcome::Failed)),
            ("16", 401, None),
            ("17", 500, Some(Outcome::Failed)),
            ("-1", 500, Some(Outcome::Failed)),
            ("", 500, Some(Outcome::Failed)),
            ("ok", 500, Some(Outcome::Failed)),
            ("99999999999999999999", 500, Some(Outcome::Failed)),
        ] {
            let found = Code::find(&fields(&[("grpc-status", code)])).unwrap();
            assert_eq!((found.status().as_u16(), found.outcome()), (status, outcome), "{code}");
        }
        assert_eq!(Code::find(&fields(&[])), None);
    }

    #[test]
    fn the_end_is_in_the_head_or_in_the_trailers_of_grpc_only() {
        let grpc = ("content-type", "application/grpc+proto");
        let (ok, not_found) = (End::Code(Code(0)), End::Code(Code(5)));
        for (head, is_end, trailers, expected) in [
            (vec![grpc, ("grpc-status", "5")], true, None, Some(not_found)),
            (vec![grpc], false, Some(fields(&[("grpc-status", "0")])), Some(ok)),
            (vec![grpc], false, Some(fields(&[("grpc-status", "5")])), Some(not_found)),
            (vec![grpc], false, Some(fields(&[])), Some(End::Missing)),
            (vec![grpc], false, None, Some(End::Missing)),
            (vec![grpc], true, None, Some(End::Missing)),
            // The head has decided.
            (
                vec![grpc, ("grpc-status", "5")],
                false,
                Some(fields(&[("grpc-status", "0")])),
                Some(not_found),
            ),
            (vec![("content-type", "application/json"), ("grpc-status", "13")], true, None, None),
            (vec![("content-type", "application/grpc-web")], false, None, None),
            (vec![("grpc-status", "13")], true, None, None),
        ] {
            let end =
                End::from_head(&fields(&head), is_end).map(|end| end.after(trailers.as_ref()));
            assert_eq!(end, expected, "{head:?} {trailers:?}");
        }
    }

    #[test]
    fn only_names_of_methods_are_learned_and_only_so_many() {
        let methods = Methods::new();
        for path in [
            "/",
            "/a",
            "a/b",
            "//b",
            "/a/",
            "/a/b/c",
            "/a.B/c?d",
            "/a b/c",
            "/a/é",
            "/a/b%20",
            &format!("/a/{}", "b".repeat(300)),
        ] {
            assert_eq!(methods.learn(path), None, "{path}");
        }
        let route = methods.learn("/pkg.v1.Greeter/Say_Hello").unwrap().clone();
        assert_eq!(methods.learn("/pkg.v1.Greeter/Say_Hello"), Some(&route));
        assert_eq!(methods.learned("/pkg.v1.Greeter/Say_Hello"), Some(&route));
        let more = (0..10_000).filter(|n| methods.learn(&format!("/pkg.S/M{n}")).is_some()).count();
        assert!(more < LEARNED, "{more}");
        assert!(more > LEARNED / 2, "{more}");
        assert_eq!(methods.learned("/pkg.v1.Greeter/Say_Hello"), Some(&route));
        assert_eq!(methods.learned("/pkg.S/Other"), None);
    }

    #[test]
    fn declared_methods_are_found_in_any_order() {
        let mut methods = Methods::new();
        methods.declare(["/b.B/b", "/a.A/z"].into_iter().map(Cow::Borrowed));
        methods.declare([String::from("/a.A/a")].into_iter().map(Cow::Owned));
        for path in ["/a.A/a", "/a.A/z", "/b.B/b"] {
            assert_eq!(methods.declared(path).map(Route::as_str), Some(path));
        }
        assert_eq!(methods.declared("/a.A/b"), None);
    }

    #[test]
    fn a_thousand_threads_of_names_learn_one_route_each() {
        let methods = Methods::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..100 {
                        let path = format!("/pkg.S/M{n}");
                        if let Some(route) = methods.learn(&path) {
                            assert_eq!(route.as_str(), path);
                        }
                    }
                });
            }
        });
        let places = methods.learned.iter().filter_map(OnceLock::get);
        let mut names: Vec<_> = places.map(|route| route.as_str().to_owned()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "no method has two places");
    }
}
