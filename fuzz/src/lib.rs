//! What the fuzz targets share.
//!
//! A target is a file in `src/bin`: a function that takes any bytes and asserts what has to be true of
//! them. `scripts/fuzz` builds it with the counters that libFuzzer is led by and `--cfg fuzzing`. In an
//! ordinary build it is a program that replays the files that it is given, and `cargo test` replays the
//! seeds: to look into a crash takes no fuzzer.
//!
//! What a target answers depends on its input alone: keys are fixed, clocks stand still, and state that
//! outlives an input is warmed up before the first one.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a target tells what it found")]
#![expect(clippy::expect_used, reason = "a panic is how a target tells what it found")]

use std::{collections::HashSet, env, fmt, fs, path::Path, process::ExitCode};

use hardpoint_auth::VerifyingKey;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Makes a target of a function that takes any bytes.
#[macro_export]
macro_rules! target {
    ($check:path) => {
        #[cfg(fuzzing)]
        ::libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(data));

        #[cfg(not(fuzzing))]
        fn main() -> ::std::process::ExitCode {
            $crate::replay($check)
        }

        #[cfg(test)]
        #[test]
        fn every_seed_holds() {
            $crate::seeds(module_path!(), $check);
        }
    };
}

/// Runs a target on the files that the command line names.
#[must_use]
pub fn replay(check: fn(&[u8])) -> ExitCode {
    let mut paths = env::args_os().skip(1).peekable();
    if paths.peek().is_none() {
        eprintln!("usage: TARGET FILE..   replays inputs; to look for new ones: scripts/fuzz");
        return ExitCode::from(64);
    }
    for path in paths {
        check(&fs::read(&path).expect("the file can be read"));
        println!("{}: holds", Path::new(&path).display());
    }
    ExitCode::SUCCESS
}

/// Runs a target on its seeds.
pub fn seeds(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(folder).expect("a target has seeds");
    let all: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(!all.is_empty());
    for path in all {
        check(&fs::read(path).expect("the file can be read"));
    }
}

/// An input, read as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    rest: &'a [u8],
}

impl<'a> Numbers<'a> {
    /// The numbers of this input.
    #[must_use]
    pub const fn of(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next number; `None` at the end. Its first byte says how many bits it has, so that those of
    /// all sizes are as frequent.
    pub fn number(&mut self) -> Option<u64> {
        let bits = u32::from(self.byte()?) % 65;
        let mut number = 0;
        for _ in 0..bits.div_ceil(8) {
            number = number << 8 | u64::from(self.byte()?);
        }
        Some(if bits == 64 { number } else { number & ((1 << bits) - 1) })
    }

    /// The next number, cut to 32 bits.
    pub fn small(&mut self) -> Option<u32> {
        self.number().map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// Whether this is a JSON object in which no name stands twice.
#[must_use]
pub fn is_object_without_repetition(json: &[u8]) -> bool {
    struct Once;

    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Self)
        }
    }

    impl<'de> Visitor<'de> for Once {
        type Value = Self;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut names = HashSet::new();
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !names.insert(name) {
                    return Err(serde::de::Error::custom("a name stands there twice"));
                }
            }
            Ok(self)
        }
    }

    serde_json::from_slice::<Once>(json).is_ok()
}

/// What is true of every public key that was read from elsewhere: it shows nothing private, is read
/// back from each of its forms as the same key, and is a key to jsonwebtoken, under the same thumbprint.
pub fn public_key_holds(key: &VerifyingKey) {
    assert!(!key.algorithm().is_symmetric());
    let jwk = key.to_jwk();
    assert!(
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|name| jwk.get(name).is_none())
    );
    let of_jwk = VerifyingKey::from_jwk(jwk.to_string().as_bytes()).expect("our own JWK");
    assert_eq!(of_jwk.to_jwk(), jwk);
    let der = key.to_der().expect("a public key has a document");
    let pem = key.to_pem().expect("a public key has a document");
    let of_der = VerifyingKey::from_der(&der).expect("our own DER");
    for plain in [&of_der, &VerifyingKey::from_pem(&pem).expect("our own PEM")] {
        let renamed = plain.for_algorithm(key.algorithm()).expect("the same kind of key");
        assert_eq!(renamed.named(key.key_id()).expect("an id that was good").to_jwk(), jwk);
        assert_eq!(plain.to_der().as_deref(), Ok(der.as_slice()));
    }
    let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).expect("a JWK to others");
    assert!(jsonwebtoken::DecodingKey::from_jwk(&theirs).is_ok());
    let thumbprint = theirs.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256);
    assert_eq!(thumbprint.expect("a known kind of key"), of_der.key_id());
}

/// The members of a list in JSON, if it is one.
#[must_use]
pub fn list(json: &[u8]) -> Option<Vec<Value>> {
    serde_json::from_slice(json).ok()
}
