//! Allocations on the accept path, by part.

use std::{fmt, hint::black_box};

use allocation_counter::measure;
use hardpoint_core::{RequestContext, Time};
use http::{HeaderMap, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::drive::{drive, ready};
use crate::{
    TestBody,
    spy::{Spy, SpyError},
};

/// The capacity, in header fields, of a map with room.
const ROOM: usize = 64;

/// The allocations of one accepted request, without those of the inner service.
///
/// The figures come from measurements: of the same exchange with and without a [`RequestContext`]
/// in the request, and with and without room in both header maps. The layer's own part is what
/// remains if neither a context nor room is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "allocation figures have no effect until they are compared"]
pub struct Allocations {
    /// Creation of the request's context, if the layer creates it: the `Arc`, and the extensions'
    /// map if it does not exist.
    pub context: u64,
    /// Growth of the request and response header maps for headers that the layer adds.
    pub header_map: u64,
    /// All other allocations: header values that differ per request, and avoidable ones.
    pub layer: u64,
}

impl Allocations {
    /// Asserts that the layer's own part is at most `allowed`.
    pub fn assert_layer(self, allowed: u64) {
        assert!(
            self.layer <= allowed,
            "the accept path allocates {self}; the layer's own part may be at most {allowed}"
        );
    }
}

impl fmt::Display for Allocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, header_map, layer } = self;
        write!(f, "context {context}, header map {header_map}, layer {layer}")
    }
}

/// Measures the allocations that the layer adds to one accepted request, and prints them by part.
///
/// It counts allocations of the calling thread. Warm-up exchanges make the allocations that happen
/// once per process or per layer value before the measurement starts.
pub fn allocations<L, B, R>(name: &str, layer: &L, request: impl Fn() -> Request<B>) -> Allocations
where
    L: Layer<Spy>,
    L::Service: Service<Request<B>, Response = Response<R>, Error = SpyError>,
{
    let time = Time::system();
    let measured = |with_context: bool, room: usize| {
        let (spy, handle) = Spy::silent();
        handle.respond(move |_| Ok(roomy_response(room)));
        let mut bare = spy.clone();
        let mut service = layer.layer(spy);
        let prepared = || {
            let mut request = request();
            if with_context {
                drop(RequestContext::ensure(request.extensions_mut(), &time));
            }
            request.headers_mut().reserve(room);
            request
        };
        // Warm up: the first exchanges make one-time allocations.
        for _ in 0..2 {
            let _warm = cost(&mut service, prepared());
        }
        let _warm = cost(&mut bare, prepared());
        cost(&mut service, prepared()).saturating_sub(cost(&mut bare, prepared()))
    };
    let (whole, known, least) = (measured(false, 0), measured(true, 0), measured(true, ROOM));
    let allocations = Allocations {
        context: whole.saturating_sub(known),
        header_map: known.saturating_sub(least),
        layer: least,
    };
    println!("allocations on the accept path of {name}: {allocations}");
    allocations
}

/// Counts the allocations of `run` on the calling thread. Growing an allocation counts too.
///
/// Use it for code that is not a layer. Call it once before the measurement: the first call
/// includes one-time allocations.
pub fn allocations_in<T>(run: impl FnOnce() -> T) -> u64 {
    measure(|| drop(black_box(run()))).count_total
}

fn roomy_response(room: usize) -> Response<TestBody> {
    let mut response = Response::new(TestBody::default());
    *response.headers_mut() = HeaderMap::with_capacity(room);
    response
}

/// The allocations of one exchange, including the drop of the response.
fn cost<S, B>(service: &mut S, request: Request<B>) -> u64
where
    S: Service<Request<B>, Error = SpyError>,
{
    let mut failed = None;
    let info = measure(|| {
        failed = ready(service).and_then(|()| drive(service.call(request))).err();
    });
    assert_eq!(failed, None, "a measured exchange failed");
    info.count_total
}
