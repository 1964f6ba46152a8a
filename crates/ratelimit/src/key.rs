//! What requests are counted under.

use std::{any::type_name, fmt};

use hardpoint_core::{ClientResolver, Head, Key, KeyExtractor, KeyMissing, RequestContext};
use http::HeaderName;

use crate::request;

/// Counts each client address on its own, an IPv6 client by its `/64`.
///
/// The client that an outer layer has found is used; without one, `resolver` finds it from the
/// peer's address and the headers it trusts. The peer's address is
/// [`Peer`](hardpoint_core::Peer) in the request's extensions, or, with the feature `axum`, axum's
/// `ConnectInfo<SocketAddr>`.
///
/// Who owns a large IPv6 network has many `/64`. A second policy with a larger quota catches that
/// without punishing neighbours at once:
///
/// ```
/// use hardpoint_core::ClientResolver;
/// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
///
/// let client = || key::client_network(ClientResolver::direct());
/// let limiter = RateLimiter::builder()
///     .policy(Policy::new("client", Quota::per_second(20), client()))
///     .policy(Policy::new("network", Quota::per_second(200), client().ipv6_prefix(48).ipv4_prefix(24)))
///     .build()?;
/// # let _ = limiter;
/// # Ok::<(), hardpoint_ratelimit::ConfigError>(())
/// ```
#[must_use]
pub const fn client_network(resolver: ClientResolver) -> ClientNetwork {
    ClientNetwork { resolver, ipv4_prefix: 32, ipv6_prefix: 64 }
}

/// Counts each authenticated subject on its own: place the limiter inside the authentication.
///
/// Combine it with [`OnMissingKey::Skip`](crate::OnMissingKey::Skip) if some routes need no
/// credentials, and with a limit by address outside.
#[must_use]
pub const fn subject() -> Subject {
    Subject { _private: () }
}

/// Counts each value of a header on its own, such as an API key's. A request that has several lines
/// of it lacks the key: a client may have sent one of them. The value is whatever the client
/// sent: use it where inventing a new one gains nothing, because a gateway sets it or because an
/// unknown key is refused before it costs anything.
#[must_use]
pub const fn header(name: HeaderName) -> Header {
    Header { name }
}

/// Counts each route on its own, by its template, whoever asks: see
/// [`filter::route`](crate::filter::route) for where that is known.
#[must_use]
pub const fn route() -> Route {
    Route { _private: () }
}

/// Counts by a value that an outer layer has put into the request's extensions.
///
/// ```
/// use hardpoint_core::Key;
/// use hardpoint_ratelimit::key;
///
/// struct Tenant(String);
///
/// let by_tenant = key::extension(|tenant: &Tenant| Key::borrowed(tenant.0.as_bytes()));
/// # let _ = by_tenant;
/// ```
#[must_use]
pub const fn extension<T>(key: fn(&T) -> Key<'_>) -> Extension<T>
where
    T: Send + Sync + 'static,
{
    Extension { key }
}

/// Counts each pair of keys on its own: an address and a route, say. A request that lacks one of
/// them lacks the key. For three or more, nest it.
///
/// Keys of up to 38 bytes together cost no allocation.
#[must_use]
pub const fn both<A: KeyExtractor, B: KeyExtractor>(first: A, second: B) -> Both<A, B> {
    Both { first, second }
}

/// Counts by whatever a function finds.
///
/// ```
/// use hardpoint_core::{Key, KeyMissing};
/// use hardpoint_ratelimit::key;
///
/// let by_first_segment = key::from_fn(|head| {
///     let path = head.uri.path().trim_start_matches('/');
///     let segment = path.split('/').next().filter(|segment| !segment.is_empty());
///     segment.map(|segment| Key::borrowed(segment.as_bytes())).ok_or(KeyMissing::new("path"))
/// });
/// # let _ = by_first_segment;
/// ```
pub const fn from_fn<F>(find: F) -> F
where
    F: for<'a> Fn(Head<'a>) -> Result<Key<'a>, KeyMissing> + Send + Sync + 'static,
{
    find
}

/// See [`client_network`].
#[derive(Clone, Debug)]
pub struct ClientNetwork {
    resolver: ClientResolver,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

impl ClientNetwork {
    /// How many bits of an IPv4 address are looked at. Default: 32, the whole address. Fewer count
    /// neighbours together; more than 32 is taken as 32, and 0 counts all together.
    #[must_use]
    pub const fn ipv4_prefix(mut self, bits: u8) -> Self {
        self.ipv4_prefix = if bits > 32 { 32 } else { bits };
        self
    }

    /// How many bits of an IPv6 address are looked at. Default: 64, the smallest network that a
    /// customer is given. More give each customer as many buckets as it likes; more than 128 is
    /// taken as 128, and 0 counts all together.
    #[must_use]
    pub const fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = if bits > 128 { 128 } else { bits };
        self
    }
}

impl KeyExtractor for ClientNetwork {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let network =
            request::client_network(head, &self.resolver, self.ipv4_prefix, self.ipv6_prefix);
        network.map(Key::address).ok_or(KeyMissing::new("client address"))
    }
}

/// See [`subject`].
#[derive(Clone, Debug)]
pub struct Subject {
    _private: (),
}

impl KeyExtractor for Subject {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let subject = head.context().and_then(RequestContext::subject);
        subject
            .map(|subject| Key::borrowed(subject.as_str().as_bytes()))
            .ok_or(KeyMissing::new("authenticated subject"))
    }
}

/// See [`header`].
#[derive(Clone, Debug)]
pub struct Header {
    name: HeaderName,
}

impl KeyExtractor for Header {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let mut lines = head.headers.get_all(&self.name).iter();
        // Of two lines nobody knows which one the gateway wrote.
        match (lines.next(), lines.next()) {
            (Some(value), None) => Ok(Key::borrowed(value.as_bytes())),
            _ => Err(KeyMissing::new("single header that it is counted by")),
        }
    }
}

/// See [`route`].
#[derive(Clone, Debug)]
pub struct Route {
    _private: (),
}

impl KeyExtractor for Route {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let route = request::route(head).ok_or(KeyMissing::new("matched route"))?;
        Ok(Key::borrowed(route.as_bytes()))
    }
}

/// See [`extension`].
pub struct Extension<T> {
    key: fn(&T) -> Key<'_>,
}

impl<T: Send + Sync + 'static> KeyExtractor for Extension<T> {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let value =
            head.extensions.get().ok_or(KeyMissing::new("extension that it is counted by"))?;
        Ok((self.key)(value))
    }
}

impl<T> Clone for Extension<T> {
    fn clone(&self) -> Self {
        Self { key: self.key }
    }
}

impl<T> fmt::Debug for Extension<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extension").field(&type_name::<T>()).finish()
    }
}

/// See [`both`].
#[derive(Clone, Debug)]
pub struct Both<A, B> {
    first: A,
    second: B,
}

impl<A: KeyExtractor, B: KeyExtractor> KeyExtractor for Both<A, B> {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        Ok(Key::of_parts(&[self.first.key(head)?, self.second.key(head)?]))
    }
}
