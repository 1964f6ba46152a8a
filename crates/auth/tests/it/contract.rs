//! The laws of every layer.

use hardpoint_auth::{
    Auth, AuthLayer, PasswordHasher, RequireScopes, RequireScopesLayer, TokenVerifier,
};
use hardpoint_core::SystemClock;
use hardpoint_testkit::{TestBody, contract};
use http::Request;

use super::{pair, token, with};

#[test]
fn the_layers_keep_the_contract() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    contract::run(&layer, || with(&format!("Bearer {}", token.expose())));
    contract::run(&layer.optional(), || Request::new(TestBody::default()));
    contract::run(&AuthLayer::<SystemClock>::off(), || Request::new(TestBody::default()));
    contract::run(&RequireScopesLayer::off(), || Request::new(TestBody::default()));
}

#[test]
fn a_refusal_is_a_response() {
    let (_, layer) = pair();
    contract::refusals_are_responses(&layer, || with("Bearer forged"));
    let scopes = RequireScopesLayer::new("a".parse().unwrap());
    contract::refusals_are_responses(&scopes, || with("Bearer forged"));
}

#[test]
fn the_types_can_be_shared() {
    contract::assert_auto_traits::<AuthLayer>();
    contract::assert_auto_traits::<Auth<()>>();
    contract::assert_auto_traits::<RequireScopes<()>>();
    contract::assert_auto_traits::<TokenVerifier>();
    contract::assert_auto_traits::<PasswordHasher>();
}
