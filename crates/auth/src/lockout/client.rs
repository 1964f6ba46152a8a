//! The client that attempts to log in.

use std::net::IpAddr;

use hardpoint_core::Secret;
use http::{HeaderMap, HeaderValue, header::COOKIE, request};

use super::device::PREFIX;
use crate::network::{network, network_of};

/// The client that attempts to log in: its network, and its device cookies. `Debug` hides both.
///
/// The limits count by this network: the address for IPv4, the `/64` for IPv6.
#[derive(Default)]
#[must_use]
pub struct LoginClient {
    pub(super) network: Option<IpAddr>,
    pub(super) cookies: Vec<(Box<str>, Secret<str>)>,
}

debug_only!(LoginClient {});

/// The most device cookies that are read from a request, and the longest, in bytes.
const MOST: usize = 16;
const LONGEST: usize = 128;

impl LoginClient {
    /// A client without an address or cookies. It is counted in the account lane and the global
    /// lane.
    pub const fn new() -> Self {
        Self { network: None, cookies: Vec::new() }
    }

    /// The client of a request: the address that a layer resolved, or else the peer's, and the first 16
    /// device cookies.
    pub fn from_parts(parts: &request::Parts) -> Self {
        Self { network: network(&parts.extensions), ..Self::new() }.cookies(&parts.headers)
    }

    /// Sets the client's address. Default: unknown.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.network = network_of(address);
        self
    }

    /// Sets its device cookies: the first 16 of the `Cookie` headers. Default: none.
    pub fn cookies(mut self, headers: &HeaderMap) -> Self {
        // Other cookies of the header may contain bytes that are not ASCII.
        let bytes = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        let pairs = bytes.flat_map(|bytes| bytes.split(|byte| *byte == b';'));
        let pairs = pairs.filter(|pair| pair.trim_ascii().starts_with(PREFIX.as_bytes()));
        let pairs = pairs.filter_map(|pair| str::from_utf8(pair).ok()?.split_once('='));
        let own = pairs.map(|(name, value)| (name.trim(), value.trim()));
        let own = own.filter(|(name, value)| name.len() <= LONGEST && value.len() <= LONGEST);
        self.cookies = own.take(MOST).map(|(name, value)| (name.into(), value.into())).collect();
        self
    }
}
