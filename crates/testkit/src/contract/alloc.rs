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

/// Header fields that a map made with room has room for.
const ROOM: usize = 64;

/// What one accepted request allocates beyond what the inner service does.
///
/// Found by experiment, not by guessing: the same exchange is measured with and without a
/// [`RequestContext`] in the request, and with and without room in both header maps; what is left
/// when neither has to be made is the layer's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a figure that nobody compares guards nothing"]
pub struct Allocations {
    /// Making the request's context, if the layer makes it: the `Arc`, and the extensions' map if it
    /// was not there.
    pub context: u64,
    /// Growth of the request's and the response's header maps for headers that the layer adds.
    pub header_map: u64,
    /// Everything else: values of headers that differ per request, and what should not be there.
    pub layer: u64,
}

impl Allocations {
    /// Wants the layer's own part to be at most `allowed`.
    pub fn assert_layer(self, allowed: u64) {
        assert!(
            self.layer <= allowed,
            "the accept path allocates {self}; of its own the layer may make {allowed}"
        );
    }
}

impl fmt::Display for Allocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { context, header_map, layer } = self;
        write!(f, "context {context}, header map {header_map}, layer {layer}")
    }
}

/// Measures what the layer adds to one accepted request, and prints it by part.
///
/// The figures are of the calling thread. What is made once per process or per layer value is made
/// before the measuring starts.
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
        // The first exchanges make what is made once.
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

/// How often `run` allocates on the calling thread; growing an allocation counts too.
///
/// For what is no layer. Call it once before measuring: the first call makes what is made once.
pub fn allocations_in<T>(run: impl FnOnce() -> T) -> u64 {
    measure(|| drop(black_box(run()))).count_total
}

fn roomy_response(room: usize) -> Response<TestBody> {
    let mut response = Response::new(TestBody::default());
    *response.headers_mut() = HeaderMap::with_capacity(room);
    response
}

/// Allocations of one exchange, the dropping of the answer included.
fn cost<S, B>(service: &mut S, request: Request<B>) -> u64
where
    S: Service<Request<B>, Error = SpyError>,
{
    let mut failed = None;
    let info = measure(|| {
        failed = ready(service).and_then(|()| drive(service.call(request))).err();
    });
    assert_eq!(failed, None, "an exchange that is measured has to be answered");
    info.count_total
}
