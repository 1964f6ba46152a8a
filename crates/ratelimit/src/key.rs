//! The keys that requests are counted by.

use std::{any::Any, fmt, sync::Arc};

use hardpoint_core::{ClientResolver, Head, Key, KeyExtractor, KeyMissing, Peer, RequestContext};
use http::HeaderName;

/// Counts by client address; IPv6 clients by their `/64`.
///
/// If an outer layer has found the client, this uses it. Otherwise `resolver` finds the client from
/// the peer's address ([`Peer::find`]) and the header fields that it trusts.
///
/// One customer can own many `/64` networks. A second policy with a larger quota limits the whole
/// network and does not punish its neighbours at once:
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
pub fn client_network(resolver: ClientResolver) -> ClientNetwork {
    ClientNetwork { resolver, ipv4_prefix: 32, ipv6_prefix: 64 }
}

/// Counts by authenticated caller: by the issuer and the subject of the request's
/// [`Identity`](hardpoint_core::Identity) together, so one issuer's `alice` is not another's.
///
/// It needs a layer by subject ([`RateLimiter::by_subject`](crate::RateLimiter::by_subject)) inside
/// authentication. Combine it with [`OnMissingKey::Skip`](crate::OnMissingKey::Skip) if some routes
/// need no credentials, and with a limit by address outside.
///
/// An issuer and a subject of more than 38 bytes together cost one allocation.
#[must_use]
pub fn subject() -> impl KeyExtractor + Clone + fmt::Debug {
    Subject
}

/// Counts by the value of a header field, such as an API key.
///
/// A request with an empty value has no key, and neither has one with several lines of the field,
/// because the client may have added one of them. Clients choose the value, and each new value has a
/// new bucket. Use [`HeaderField::known`] to count only values that the service issued, or use this
/// where a new value gains nothing: because a gateway sets it, or because an unknown value is
/// refused further out. Callers that are authenticated are counted by [`subject`].
#[must_use]
pub fn header(name: HeaderName) -> HeaderField {
    HeaderField { name, known: None }
}

/// Counts by matched route, for all callers together. [`filter::route`](crate::filter::route)
/// describes where the route is known.
#[must_use]
pub fn route() -> impl KeyExtractor + Clone + fmt::Debug {
    Route
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
pub fn extension<T>(key: fn(&T) -> Key<'_>) -> impl KeyExtractor + Clone
where
    T: Send + Sync + 'static,
{
    from_fn(move |head| {
        let value = head.extensions.get().ok_or(KeyMissing::new("extension to count by"))?;
        Ok(key(value))
    })
}

/// Counts by two keys together, such as an address and a route. Nest it for three or more.
///
/// A request that lacks one of them has no key. Under
/// [`OnMissingKey::Shared`](crate::OnMissingKey::Shared) it is counted by the key that it has:
/// requests without an API key from one address do not use the bucket of another address.
///
/// Keys of up to 38 bytes together cost no allocation.
#[must_use]
pub fn both(
    first: impl KeyExtractor,
    second: impl KeyExtractor,
) -> impl KeyExtractor + Clone + fmt::Debug {
    let needs = Needs::find(&first).max(Needs::find(&second));
    Both { needs, first: Arc::new(first), second: Arc::new(second) }
}

/// Counts by the key that a function finds.
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
pub fn from_fn<F>(find: F) -> F
where
    F: for<'a> Fn(Head<'a>) -> Result<Key<'a>, KeyMissing> + Send + Sync + 'static,
{
    find
}

/// Whether a key needs the authenticated caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// It never looks at the caller.
    Nothing,
    /// It is a function of the user's, which may.
    Unknown,
    /// It needs a caller.
    Identity,
}

impl Needs {
    pub(crate) fn find<K: KeyExtractor>(key: &K) -> Self {
        let key: &dyn Any = key;
        if key.is::<Subject>() {
            Self::Identity
        } else if let Some(both) = key.downcast_ref::<Both>() {
            both.needs
        } else if key.is::<ClientNetwork>() || key.is::<HeaderField>() || key.is::<Route>() {
            Self::Nothing
        } else {
            Self::Unknown
        }
    }
}

/// The extractor of [`client_network`].
#[derive(Clone, Debug)]
pub struct ClientNetwork {
    resolver: ClientResolver,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

impl ClientNetwork {
    /// The number of leading bits of an IPv4 address that count. Default: 32, the whole address.
    /// Fewer bits count neighbours together; 0 counts all clients together. More than 32 means 32.
    #[must_use]
    pub fn ipv4_prefix(mut self, bits: u8) -> Self {
        self.ipv4_prefix = bits.min(32);
        self
    }

    /// The number of leading bits of an IPv6 address that count. Default: 64, the smallest network
    /// that providers assign to a customer. With more bits a customer gets as many buckets as it
    /// likes; 0 counts all clients together. More than 128 means 128.
    #[must_use]
    pub fn ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits.min(128);
        self
    }
}

impl KeyExtractor for ClientNetwork {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let network = match head.context().and_then(RequestContext::client) {
            Some(client) => client.network_prefix(self.ipv4_prefix, self.ipv6_prefix),
            None => {
                let peer = Peer::find(head.extensions).map(Peer::ip);
                let Self { ipv4_prefix, ipv6_prefix, .. } = *self;
                self.resolver.network_prefix(peer, head.headers, ipv4_prefix, ipv6_prefix)
            }
        };
        network.map(Key::address).ok_or(KeyMissing::new("client address"))
    }
}

#[derive(Clone, Debug)]
struct Subject;

impl KeyExtractor for Subject {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let identity = head.context().and_then(RequestContext::identity);
        let identity = identity.ok_or(KeyMissing::new("authenticated subject"))?;
        let part = |text: &'a str| Key::borrowed(text.as_bytes());
        let issuer = identity.issuer().unwrap_or_default();
        Ok(Key::from_parts(&[part(issuer), part(identity.subject())]))
    }
}

/// The extractor of [`header`].
#[derive(Clone)]
pub struct HeaderField {
    name: HeaderName,
    known: Option<Arc<Known>>,
}

type Known = dyn Fn(&[u8]) -> bool + Send + Sync;

impl HeaderField {
    /// Counts only values for which `known` is true. A request with any other value has no key, so
    /// values that a client invents share one bucket. Default: every value is counted.
    ///
    /// It runs for every request, before authentication: look the value up, and do not verify it.
    ///
    /// ```
    /// use hardpoint_ratelimit::{Policy, Quota, key};
    /// use http::HeaderName;
    /// use std::collections::HashSet;
    ///
    /// let issued = HashSet::from([b"k-4711".to_vec()]);
    /// let by_key = key::header(HeaderName::from_static("x-api-key"))
    ///     .known(move |value| issued.contains(value));
    /// let policy = Policy::new("key", Quota::per_second(20), by_key);
    /// # let _ = policy;
    /// ```
    #[must_use]
    pub fn known(mut self, known: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.known = Some(Arc::new(known));
        self
    }
}

impl KeyExtractor for HeaderField {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let mut lines = head.headers.get_all(&self.name).iter();
        // Of two lines, either may be the client's.
        let value = match (lines.next(), lines.next()) {
            (Some(value), None) => value.as_bytes(),
            _ => return Err(KeyMissing::new("single header field to count by")),
        };
        if value.trim_ascii().is_empty() {
            return Err(KeyMissing::new("value in the header field to count by"));
        }
        if self.known.as_ref().is_some_and(|known| !known(value)) {
            return Err(KeyMissing::new("known value in the header field to count by"));
        }
        Ok(Key::borrowed(value))
    }
}

impl fmt::Debug for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderField")
            .field("name", &self.name)
            .field("known", &self.known.is_some())
            .finish()
    }
}

#[derive(Clone, Debug)]
struct Route;

impl KeyExtractor for Route {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        let route = hardpoint_core::Route::find(head.extensions);
        let route = route.ok_or(KeyMissing::new("matched route"))?;
        // The route is a handle of its own, so its text cannot be borrowed for so long.
        let text = Key::borrowed(route.as_str().as_bytes());
        Ok(Key::from_parts(&[text]))
    }
}

#[derive(Clone)]
struct Both {
    needs: Needs,
    first: Arc<dyn KeyExtractor>,
    second: Arc<dyn KeyExtractor>,
}

impl KeyExtractor for Both {
    fn key<'a>(&self, head: Head<'a>) -> Result<Key<'a>, KeyMissing> {
        Ok(Key::from_parts(&[self.first.key(head)?, self.second.key(head)?]))
    }

    fn known_part<'a>(&self, head: Head<'a>) -> Option<Key<'a>> {
        let (first, first_mark) = part(&*self.first, head);
        let (second, second_mark) = part(&*self.second, head);
        if first.is_none() && second.is_none() {
            return None;
        }
        let absent = || Key::borrowed(b"");
        Some(Key::from_parts(&[
            Key::borrowed(&[first_mark, second_mark]),
            first.unwrap_or_else(absent),
            second.unwrap_or_else(absent),
        ]))
    }
}

/// What a request has of a key, and a mark that distinguishes nothing, a part and the whole.
fn part<'a>(key: &dyn KeyExtractor, head: Head<'a>) -> (Option<Key<'a>>, u8) {
    match key.key(head) {
        Ok(whole) => (Some(whole), b'w'),
        Err(_) => match key.known_part(head) {
            Some(part) => (Some(part), b'p'),
            None => (None, b'-'),
        },
    }
}

impl fmt::Debug for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Both").field("needs", &self.needs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_needs_what_either_of_its_keys_needs() {
        let address = || client_network(ClientResolver::direct());
        let own = || from_fn(|_| Err(KeyMissing::new("anything")));
        assert_eq!(Needs::find(&address()), Needs::Nothing);
        assert_eq!(Needs::find(&both(address(), route())), Needs::Nothing);
        assert_eq!(Needs::find(&own()), Needs::Unknown);
        assert_eq!(Needs::find(&both(own(), address())), Needs::Unknown);
        assert_eq!(Needs::find(&subject()), Needs::Identity);
        assert_eq!(Needs::find(&both(address(), both(subject(), own()))), Needs::Identity);
    }
}
