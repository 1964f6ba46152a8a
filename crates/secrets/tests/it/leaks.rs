//! No value leaves through a report, a warning or a `Debug` text.

use std::slice;

use hardpoint_secrets::{Environment, Mode, Spec};
use hardpoint_testkit::leak::LeakScanner;
use proptest::{collection::vec, prelude::*};

use crate::fixture::{Directory, loader};

/// Everything that loading can print about these variables.
fn prints(variables: &[(&str, &str)], specs: &[Spec]) -> String {
    let environment = Environment::from_iter(variables.iter().copied());
    let mut out = format!("{environment:?} {environment:#?}");
    for mode in [Mode::Strict, Mode::Lenient] {
        let loader = loader(&environment).mode(mode);
        let loader = specs.iter().cloned().fold(loader, |loader, spec| loader.add_spec(spec));
        out.push_str(&format!("{loader:?}"));
        match loader.load() {
            Ok(secrets) => {
                out.push_str(&format!("{secrets:?} {secrets:#?}"));
                for warning in secrets.warnings() {
                    out.push_str(&format!("{warning} {warning:?}"));
                }
            }
            Err(report) => out.push_str(&format!("{report} {report:?} {report:#?}")),
        }
    }
    out
}

fn kinds(name: &'static str) -> [Spec; 6] {
    [
        Spec::text(name),
        Spec::text(name).min_bytes(5000),
        Spec::base64(name),
        Spec::hex(name),
        Spec::raw(name),
        Spec::pem(name),
    ]
}

#[test]
fn what_the_loader_prints_holds_no_canary() {
    let canary = "zebra-canary-51f0c2aa";
    let key = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQobLD1OX2BxM=";
    let scanner = LeakScanner::new([canary.as_bytes(), key.as_bytes()]);
    let directory = Directory::new();
    for value in [canary, key] {
        let path = directory.write("file", value);
        for written in [
            value.to_owned(),
            format!(" {value}"),
            format!("-----BEGIN {value}-----\n{value}\n-----END X-----"),
            format!("<{value}>"),
            value.repeat(2000),
        ] {
            for spec in kinds("KEY") {
                let twin = [Spec::text("TWIN"), spec.clone()];
                let out = prints(&[("KEY", &written), ("TWIN", &written)], &twin);
                scanner.assert_clean("a variable", out);
                scanner.assert_clean(
                    "a path",
                    prints(&[("KEY_FILE", &written)], slice::from_ref(&spec)),
                );
                scanner.assert_clean("a file", prints(&[("KEY_FILE", &path)], &[spec]));
            }
        }
    }
}

proptest! {
    #[test]
    fn no_report_contains_the_value(
        value in vec(prop_oneof![proptest::char::range('!', '~'), Just('/'), Just('é')], 12..40),
    ) {
        let value: String = value.into_iter().collect();
        for spec in kinds("KEY") {
            for variable in ["KEY", "KEY_FILE"] {
                let out = prints(&[(variable, &value)], slice::from_ref(&spec));
                prop_assert!(!out.contains(&value), "{variable}: {out}");
            }
        }
    }
}
