//! What a request that is let in costs.

use hardpoint_auth::{AuthLayer, RequireScopesLayer};
use hardpoint_core::SystemClock;
use hardpoint_testkit::{TestBody, contract::allocations};
use http::Request;

use super::{pair, token, with};

#[test]
fn a_verified_token_costs_its_claims() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "notes:read");
    // Decoding and parsing header and claims into owned values; a bound that later work lowers.
    allocations("auth", &layer, || with(&format!("Bearer {}", token.expose()))).assert_layer(48);
}

#[test]
fn what_verifies_nothing_allocates_nothing() {
    let (_, layer) = pair();
    let nobody = || Request::new(TestBody::default());
    allocations("auth, optional", &layer.optional(), nobody).assert_layer(0);
    allocations("auth, off", &AuthLayer::<SystemClock>::off(), nobody).assert_layer(0);
    allocations("scopes, off", &RequireScopesLayer::off(), nobody).assert_layer(0);
}
