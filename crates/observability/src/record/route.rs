//! The matched route of a request, held without copying it.

use hardpoint_core::{RequestContext, Route};
use http::Extensions;

/// What stands in for the route of a request that none matched, or none was told of.
const UNMATCHED: &str = "unmatched";

/// Where the route is read from when the line is written.
pub(super) enum Label {
    /// From the context, if a layer further in sets it.
    Context,
    #[cfg(feature = "axum")]
    Matched(axum::extract::MatchedPath),
}

impl Label {
    /// Puts a [`Route`] that the server supplied into the context, where other layers find it.
    pub(super) fn of(extensions: &Extensions, context: &RequestContext) -> Self {
        if let Some(route) = extensions.get::<Route>() {
            context.set_route(route.clone());
        }
        #[cfg(feature = "axum")]
        if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
            return Self::Matched(path.clone());
        }
        Self::Context
    }

    /// The template. Never the path that was asked for: its words are the client's.
    pub(super) fn as_str<'a>(&'a self, context: &'a RequestContext) -> &'a str {
        if let Some(route) = context.route() {
            return route.as_str();
        }
        match self {
            Self::Context => UNMATCHED,
            #[cfg(feature = "axum")]
            Self::Matched(path) => path.as_str(),
        }
    }
}
