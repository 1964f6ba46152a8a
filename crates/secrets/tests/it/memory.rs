//! Nothing of a secret stays in memory once all that held it is dropped.
//!
//! An allocator writes into the front of what is freed, which hides a copy that was not wiped: the
//! end of each value is what is looked for. Each test has values of its own, since freed memory of
//! another one would be found.

use std::ffi::OsString;

use hardpoint_secrets::{Environment, Spec};
use hardpoint_testkit::leak::{mask, memory_contains, unmask};
use zeroize::Zeroizing;

use crate::fixture::{Directory, loader};

fn plain(masked: &[u8]) -> Vec<u8> {
    unmask(masked).collect()
}

fn variable(name: &str, masked: &[u8]) -> (OsString, OsString) {
    // The allocation that is made here is the one that the snapshot keeps.
    let value = String::from_utf8(plain(masked)).unwrap();
    (name.into(), value.into())
}

/// Whether the last 34 bytes of the value are in memory.
fn remains(masked: &[u8]) -> bool {
    memory_contains(&masked[masked.len() - 34..])
}

#[test]
fn a_snapshot_leaves_nothing_behind() {
    const VALUE: [u8; 88] = mask(
        *b"snapshot canary, whose front an allocator may overwrite: c41e97a05b3d8f26e0a9147d5cb2f63",
    );

    // Nothing is allocated after it that could hide a copy by lying where it was.
    let environment = Environment::from_iter([variable("VALUE", &VALUE)]);
    assert!(remains(&VALUE), "the snapshot is in use");
    drop(environment);
    assert!(!remains(&VALUE));
}

#[test]
fn a_variable_is_gone_with_the_snapshot_and_the_secret() {
    const PASSWORD: [u8; 88] = mask(
        *b"variable canary, whose front an allocator may overwrite: 7d0b5c93e1f84a2661b9d7c0355e8f3",
    );

    let environment = Environment::from_iter([variable("PASSWORD", &PASSWORD)]);
    let spec = Spec::text("PASSWORD");
    let secrets = loader(&environment).add_spec(spec).load().unwrap();
    drop(environment);
    assert!(remains(&PASSWORD), "the secret is in use");
    drop(secrets);
    assert!(!remains(&PASSWORD));
}

#[test]
fn a_file_leaves_neither_its_text_nor_the_decoded_key() {
    const WRITTEN: [u8; 116] = mask(
        *b"ZmlsZSBjYW5hcnksIHdob3NlIGZyb250IGFuIGFsbG9jYXRvciBtYXkgb3ZlcndyaXRl\
           OiBiMGM3MmQ5MTRlNWY4YTYzMjdmMTljNGUwZDM1YjZhMS4u",
    );
    const DECODED: [u8; 87] = mask(
        *b"file canary, whose front an allocator may overwrite: b0c72d914e5f8a6327f19c4e0d35b6a1..",
    );

    let directory = Directory::new();
    let path = directory.write("root", Zeroizing::new(plain(&WRITTEN)));
    let environment = Environment::from_iter([("ROOT_FILE", path)]);
    let spec = Spec::base64("ROOT");
    let secrets = loader(&environment).add_spec(spec).load().unwrap();
    assert!(remains(&DECODED), "the key is in use");
    assert!(!remains(&WRITTEN), "what it was decoded from is wiped");
    drop(secrets);
    assert!(!remains(&DECODED));
}

#[test]
fn a_refused_value_is_not_kept_by_the_report() {
    const WRITTEN: [u8; 120] = mask(
        *b"cmVmdXNlZCBjYW5hcnksIHdob3NlIGZyb250IGFuIGFsbG9jYXRvciBtYXkgb3Zlcndy\
           aXRlOiA1YjE5ZTBmN2M0ZDI2NmE4OTEzZTdmMGQyYWI4YzQzZS4u",
    );
    const DECODED: [u8; 90] = mask(
        *b"refused canary, whose front an allocator may overwrite: 5b19e0f7c4d266a8913e7f0d2ab8c43e..",
    );

    let environment = Environment::from_iter([variable("ROOT", &WRITTEN)]);
    let spec = Spec::base64("ROOT").min_bytes(1000);
    let report = loader(&environment).add_spec(spec).load().unwrap_err();
    assert!(remains(&WRITTEN), "the snapshot has it");
    drop(environment);
    assert!(!remains(&WRITTEN));
    assert!(!remains(&DECODED));
    assert_eq!(report.len(), 1);
}
