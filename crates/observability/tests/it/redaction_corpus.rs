//! How much is found of data that no pattern was written for.
//!
//! The corpus was generated after the patterns' last change: names, addresses, account numbers and
//! sentences by the locales of the Python package Faker 40.63, tokens and keys from random bytes in their
//! providers' formats. `clean.jsonl` has texts without secrets.

use std::collections::BTreeMap;

use hardpoint_observability::{
    Redactor,
    redact::{Action, Class},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    class: String,
    secret: String,
    text: String,
}

/// The smallest part of each class that must be found, and the greatest of clean texts that may be
/// changed.
const RECALL: f64 = 0.99;
const FALSE: f64 = 0.001;

fn all_classes() -> Redactor {
    let on = |redactor: Redactor, class| redactor.class(class, Action::Erase);
    [Class::IpAddress, Class::Phone].into_iter().fold(Redactor::new(), on)
}

#[test]
fn of_each_class_nearly_all_is_found() {
    let redactor = all_classes();
    let mut classes: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for line in include_str!("../redaction/found.jsonl").lines() {
        let Row { class, secret, text } = serde_json::from_str(line).unwrap();
        assert!(text.contains(&secret));
        let (found, all) = classes.entry(class.clone()).or_default();
        *all += 1;
        let redacted = redactor.redact(&text);
        if redacted.contains(&secret) {
            println!("missed {class}: {text:?}");
        } else {
            *found += 1;
        }
    }
    assert_eq!(classes.len(), 11, "{classes:?}");
    for (class, (found, all)) in classes {
        let recall = f64::from(found) / f64::from(all);
        println!("{class}: {found} of {all}, {:.1} %", recall * 100.0);
        assert!(recall >= RECALL, "{class}: {found} of {all}");
    }
}

#[test]
fn hardly_a_clean_text_is_changed() {
    let redactor = Redactor::new();
    let texts: Vec<String> = include_str!("../redaction/clean.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let changed: Vec<_> =
        texts.iter().filter(|text| redactor.redact(text) != text.as_str()).collect();
    println!("{} of {} clean texts were changed: {changed:#?}", changed.len(), texts.len());
    let part = f64::from(u32::try_from(changed.len()).unwrap())
        / f64::from(u32::try_from(texts.len()).unwrap());
    assert!(texts.len() >= 3_000 && part <= FALSE, "{changed:#?}");
}
