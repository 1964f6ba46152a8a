//! The laws of every layer.

use hardpoint_auth::{
    Auth, AuthLayer, PasswordHasher, Require, RequireLayer, Scopes, TokenIssuer, TokenVerifier,
};
use hardpoint_testkit::{TestBody, contract};
use http::{Request, header::COOKIE};

use super::{pair, token, with};

#[test]
fn the_layers_keep_the_contract() {
    let (issuer, layer) = pair();
    let token = token(&issuer, "");
    contract::run(&layer, || with(&format!("Bearer {}", token.expose())));
    contract::run(&layer.clone().optional(), || Request::new(TestBody::default()));
    contract::run(&AuthLayer::off(), || Request::new(TestBody::default()));
    contract::run(&RequireLayer::off(), || Request::new(TestBody::default()));
    let cookie = format!("at={}", token.expose());
    contract::run(&layer.cookie("at"), || {
        Request::builder().header(COOKIE, &cookie).body(TestBody::default()).unwrap()
    });
}

#[test]
fn a_refusal_is_a_response() {
    let (_, layer) = pair();
    contract::refusals_are_responses(&layer, || with("Bearer forged"));
    let scopes = RequireLayer::authenticated().scopes(Scopes::from_static("a"));
    contract::refusals_are_responses(&scopes, || with("Bearer forged"));
}

#[test]
fn the_types_can_be_shared() {
    contract::assert_auto_traits::<AuthLayer>();
    contract::assert_auto_traits::<Auth<()>>();
    contract::assert_auto_traits::<Require<()>>();
    contract::assert_auto_traits::<TokenVerifier>();
    contract::assert_auto_traits::<TokenIssuer>();
    contract::assert_auto_traits::<PasswordHasher>();
}
