//! Any bytes as a JSON Web Key Set, and as what stands between two good keys of one: a set is bounded, and
//! what is bad never costs what is good.
#![cfg_attr(fuzzing, no_main)]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::collections::HashSet;

use hardpoint_auth::{KeySet, KeySetError, VerifyingKey};
use hardpoint_fuzz::{list, public_key_holds};
use serde_json::Value;

hardpoint_fuzz::target!(check);

/// Public keys.
const FIRST: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"kebHN9T8ZremsS4JPmpNeUpGgg_thqjL3GTKSbxlAaY","kid":"first"}"#;
const LAST: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"kebHN9T8ZremsS4JPmpNeUpGgg_thqjL3GTKSbxlAaY","kid":"last"}"#;

fn check(data: &[u8]) {
    if let Ok((keys, skipped)) = KeySet::from_jwks(data) {
        // Members beside `keys` are skipped without being read, so that they need not even be UTF-8.
        let given = match serde_json::from_slice::<Value>(data) {
            Ok(set) => set["keys"].as_array().expect("a list").len(),
            Err(_) => keys.iter().len() + skipped.len(),
        };
        assert!(keys.iter().len() > 0 && given <= KeySet::MAX);
        assert_eq!(keys.iter().len() + skipped.len(), given);
        // Keys may share an id, and even its algorithm, but none is there twice.
        let distinct: HashSet<_> = keys.iter().map(|key| key.to_jwk().to_string()).collect();
        assert_eq!(distinct.len(), keys.iter().len());
        assert!(skipped.iter().all(|key| key.position < given && !key.to_string().is_empty()));
        keys.iter().for_each(public_key_holds);
        let (again, left_out) =
            KeySet::from_jwks(keys.to_jwks().to_string().as_bytes()).expect("our own set");
        assert!(left_out.is_empty() && again.to_jwks() == keys.to_jwks());
    }
    between(data);
}

fn between(data: &[u8]) {
    // What is no list by itself could close ours.
    let Some(given) = list(&[b"[", data, b"]"].concat()) else { return };
    let parts = [br#"{"keys":["#, FIRST.as_bytes(), b",", data, b",", LAST.as_bytes(), b"]}"];
    let comma = usize::from(!given.is_empty());
    let set = [&parts[..3 + comma], &parts[4 + 1 - comma..]].concat().concat();
    // What serde_json does not read, it does not read in a key either: nesting beyond 128 (one more than
    // above), numbers beyond `f64`, half a surrogate pair. Such a key does cost the whole set.
    if serde_json::from_slice::<Value>(&set).is_err() {
        return;
    }
    match KeySet::from_jwks(&set) {
        Ok((keys, skipped)) => {
            assert!(given.len() <= KeySet::MAX - 2);
            assert_eq!(keys.iter().len() + skipped.len(), given.len() + 2);
            let first = VerifyingKey::from_jwk(FIRST.as_bytes()).expect("a good key");
            assert_eq!(keys.find("first").map(VerifyingKey::to_jwk), Some(first.to_jwk()));
            let last = keys.find("last").expect("a good key is not lost").to_jwk();
            assert!(
                last["x"] == first.to_jwk()["x"] || given.iter().any(|key| key["kid"] == "last")
            );
        }
        Err(error) => {
            assert_eq!(error, KeySetError::TooMany(given.len() + 2));
            assert!(given.len() > KeySet::MAX - 2);
        }
    }
}
