//! Which values are accepted as secrets, and which are not.

mod encoding;
mod pem;
mod shape;
mod weak;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = *b"\x3b\xe1\x07\x9c\x52\xf8\x60\x1d\xa4\x8e\x29\xc7\x75\x0f\xb3\x46\
                         \xd9\x12\x6a\xee\x84\x5b\x30\xc1\x97\x4d\xf2\x08\xbc\x63\x1a\xe5";

const HEX: &str = "3be1079c52f8601da48e29c7750fb346d9126aee845b30c1974df208bc631ae5";

fn text(raw: &[u8]) -> Result<Option<Flaw>, Flaw> {
    judge(&Spec::text("NAME"), raw).map(|(_, weakness)| weakness)
}

fn base64(key: &[u8]) -> Result<Option<Flaw>, Flaw> {
    let written = STANDARD.encode(key);
    judge(&Spec::base64("NAME").min_bytes(1), written.as_bytes()).map(|(_, weakness)| weakness)
}

fn pem(raw: &str) -> Result<Option<Flaw>, Flaw> {
    judge(&Spec::pem("NAME"), raw.as_bytes()).map(|(_, weakness)| weakness)
}

proptest! {
    #[test]
    fn no_input_makes_the_judge_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        for spec in [
            Spec::text("N"),
            Spec::base64("N"),
            Spec::hex("N"),
            Spec::raw("N"),
            Spec::pem("N"),
        ] {
            let _ = judge(&spec, &raw).map(|_| ());
        }
    }
}
