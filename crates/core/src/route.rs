//! The matched route of a request.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::RequestContext;

/// The matched route as a template, such as `/users/{id}`. The number of templates is bounded, so a
/// metric can use it as a label.
///
/// With the feature `axum`, [`find`](Self::find) reads axum's `MatchedPath`. Any other service
/// supplies the route as an extension of the request:
///
/// ```
/// use hardpoint_core::Route;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Route::from_static("/users/{id}"));
/// assert_eq!(Route::find(request.extensions()), Some(Route::from_static("/users/{id}")));
/// ```
///
/// Cloning it does not allocate.
#[derive(Clone)]
pub struct Route(Template);

#[derive(Clone)]
enum Template {
    Static(&'static str),
    Shared(Arc<str>),
    #[cfg(feature = "axum")]
    Matched(axum::extract::MatchedPath),
}

impl Route {
    /// Creates a route from a template that is known at compile time.
    #[must_use]
    pub const fn from_static(template: &'static str) -> Self {
        Self(Template::Static(template))
    }

    /// Finds the route that a request matched: the [`Route`] in its extensions, otherwise axum's
    /// `MatchedPath` (feature `axum`), otherwise the route in its [`RequestContext`].
    ///
    /// All hardpoint layers use this function, so a limit, a filter and a log line agree on the
    /// route. axum supplies it inside `Router::layer`, but not around the router.
    #[must_use]
    pub fn find(extensions: &Extensions) -> Option<Self> {
        extensions
            .get::<Self>()
            .cloned()
            .or_else(|| matched(extensions))
            .or_else(|| RequestContext::find(extensions)?.route().cloned())
    }

    /// The path at which axum nested the part of the router that handles the request, such as
    /// `/api` for `Router::nest("/api", ..)` and `nest_service`. The target's path is then relative
    /// to it. `None` outside of nested parts and without the feature `axum`.
    #[must_use]
    pub fn nested_at(extensions: &Extensions) -> Option<&str> {
        nested_at(extensions)
    }

    /// The template.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Template::Static(text) => text,
            Template::Shared(text) => text,
            #[cfg(feature = "axum")]
            Template::Matched(path) => path.as_str(),
        }
    }
}

#[cfg(feature = "axum")]
fn matched(extensions: &Extensions) -> Option<Route> {
    extensions.get().map(|path: &axum::extract::MatchedPath| Route(Template::Matched(path.clone())))
}

#[cfg(feature = "axum")]
fn nested_at(extensions: &Extensions) -> Option<&str> {
    extensions.get().map(|path: &axum::extract::NestedPath| path.as_str())
}

#[cfg(not(feature = "axum"))]
fn nested_at(_extensions: &Extensions) -> Option<&str> {
    None
}

#[cfg(not(feature = "axum"))]
fn matched(_extensions: &Extensions) -> Option<Route> {
    None
}

impl From<&str> for Route {
    fn from(template: &str) -> Self {
        Self(Template::Shared(template.into()))
    }
}

impl From<String> for Route {
    fn from(template: String) -> Self {
        Self(Template::Shared(template.into()))
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.as_str()).finish()
    }
}
