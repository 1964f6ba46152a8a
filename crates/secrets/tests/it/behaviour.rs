use std::ffi::OsString;

use hardpoint_secrets::{Environment, Mode, Provenance, Report, Secrets, Spec};

use crate::fixture::{Directory, load, loader, problems};

const KEY: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQobLD1OX2BxM=";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----";

#[test]
fn every_kind_is_read_from_its_variable() {
    let secrets = load(
        [("PASSWORD", "swordfish"), ("ROOT", KEY), ("SIGNING", PEM)],
        [Spec::text("PASSWORD"), Spec::base64("ROOT"), Spec::pem("SIGNING")],
    )
    .unwrap();
    assert!(secrets.text("PASSWORD").unwrap().ct_eq("swordfish"));
    assert_eq!(secrets.bytes("ROOT").unwrap().expose().len(), 32);
    assert!(secrets.text("SIGNING").unwrap().ct_eq(PEM));
    assert_eq!(secrets.provenance("ROOT"), Some(&Provenance::Variable("ROOT".to_owned())));
    assert!(secrets.warnings().is_empty());
}

#[test]
fn a_secret_is_handed_out_as_what_it_was_declared_as_and_under_its_name() {
    let secrets = load([("ROOT", KEY), ("OTHER", "swordfish")], [Spec::base64("ROOT")]).unwrap();
    assert!(secrets.text("ROOT").is_none(), "declared as base64");
    assert!(secrets.text("OTHER").is_none(), "not declared");
    assert!(secrets.bytes("root").is_none(), "another name");
    assert_eq!(secrets.provenance("OTHER"), None);
}

#[test]
fn an_absent_secret_is_a_problem_unless_its_spec_says_otherwise() {
    for (spec, strict, lenient) in [
        (Spec::text("KEY"), false, false),
        (Spec::text("KEY").optional().required(), false, false),
        (Spec::text("KEY").required_when_strict(), false, true),
        (Spec::text("KEY").optional(), true, true),
    ] {
        let environment = Environment::from_iter([("OTHER", "x")]);
        for (mode, fine) in [(Mode::Strict, strict), (Mode::Lenient, lenient)] {
            let loaded = loader(&environment).mode(mode).add_spec(spec.clone()).load();
            assert_eq!(loaded.is_ok(), fine, "{spec:?} {mode:?}");
        }
    }
}

#[test]
fn the_report_of_an_absent_secret_names_every_place_and_the_remedy() {
    let environment = Environment::from_iter([("CREDENTIALS_DIRECTORY", "/run/credentials/api")]);
    let report = Secrets::loader(&environment)
        .directory("/srv/secrets")
        .add_spec(Spec::base64("ROOT_KEY"))
        .load()
        .unwrap_err();
    assert_eq!(
        report.to_string(),
        "ROOT_KEY is missing: neither the variable `ROOT_KEY` nor `ROOT_KEY_FILE` is set, and there \
         is no file `/run/credentials/api/root_key` or `/run/credentials/api/ROOT_KEY`, and there \
         is no file `/srv/secrets/root_key` or `/srv/secrets/ROOT_KEY`; \
         set `ROOT_KEY_FILE` to the path of a file with the secret, or `ROOT_KEY` to the secret: \
         take the output of `openssl rand -base64 32` without its line breaks"
    );
}

#[test]
fn a_hint_says_how_to_get_a_value() {
    let spec = Spec::pem("SIGNING").hint("take the output of `openssl genpkey -algorithm ed25519`");
    assert!(problems([], [spec.clone()]).ends_with("-algorithm ed25519`"));
    assert!(problems([("SIGNING", "changeme")], [spec]).ends_with("-algorithm ed25519`"));
}

#[test]
fn the_variable_and_the_variable_of_its_file_are_not_set_together() {
    let directory = Directory::new();
    let path = directory.write("key", "swordfish");
    for value in ["swordfish", ""] {
        assert_eq!(
            problems([("KEY", value), ("KEY_FILE", &path)], [Spec::text("KEY").optional()]),
            "KEY is set twice, by the variables `KEY` and `KEY_FILE`; unset one of them"
        );
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_is_set() {
    let text = problems([("KEY", "")], [Spec::text("KEY").optional()]);
    assert!(text.starts_with("KEY (variable `KEY`) is empty;"), "{text}");
    let text = problems([("KEY_FILE", "")], [Spec::text("KEY").optional()]);
    assert!(text.starts_with("KEY (variable `KEY_FILE`) is an empty path;"), "{text}");
}

#[test]
fn an_empty_variable_is_absent_if_the_loader_is_told_so() {
    let directory = Directory::new();
    let path = directory.write("key", "swordfish");
    for (variables, spec, expected) in [
        ([("KEY", ""), ("OTHER", "")], Spec::text("KEY").optional(), Ok(None)),
        ([("KEY", ""), ("KEY_FILE", "")], Spec::base64("KEY").optional(), Ok(None)),
        ([("KEY", ""), ("KEY_FILE", &path)], Spec::text("KEY"), Ok(Some("swordfish"))),
        ([("KEY", "swordfish"), ("KEY_FILE", "")], Spec::text("KEY"), Ok(Some("swordfish"))),
        (
            [("KEY", ""), ("OTHER", "")],
            Spec::text("KEY"),
            Err("KEY (variable `KEY`) is empty; write the secret"),
        ),
        (
            [("KEY_FILE", ""), ("OTHER", "")],
            Spec::text("KEY"),
            Err("KEY (variable `KEY_FILE`) is empty; write the secret"),
        ),
        (
            [("KEY", " "), ("OTHER", "")],
            Spec::text("KEY").optional(),
            Err(
                "KEY (variable `KEY`) is empty; write the secret, or remove the variable or the file",
            ),
        ),
    ] {
        let environment = Environment::from_iter(variables);
        let loaded = loader(&environment).empty_is_absent().add_spec(spec).load();
        let text = loaded.as_ref().map(|secrets| secrets.text("KEY").map(|text| text.expose()));
        assert_eq!(text.map_err(ToString::to_string), expected.map_err(str::to_owned));
    }
}

#[test]
fn raw_bytes_are_read_from_a_file_and_never_from_a_variable() {
    let directory = Directory::new();
    let key: Vec<u8> =
        (0..32_u8).map(|n| n.wrapping_mul(89).wrapping_add(171)).chain([b'\n']).collect();
    let path = directory.write("key", &key);
    let spec = || Spec::raw("KEY");
    let secrets = load([("KEY_FILE", &path)], [spec()]).unwrap();
    assert!(secrets.bytes("KEY").unwrap().ct_eq(&key));
    assert_eq!(
        problems([("KEY_FILE", &path)], [spec().exact_bytes(32)]),
        format!(
            "KEY (file `{path}`) ends in a line break after the required bytes; remove the line \
                 break: `head -c -1`"
        )
    );
    assert_eq!(
        problems([("KEY", "0123456789abcdef0123456789abcdef")], [spec()]),
        "KEY (variable `KEY`) is a variable, which cannot contain raw bytes; set `KEY_FILE` to the \
         path of a file with the secret"
    );
    let text = problems([("KEY_FILE", &path)], [Spec::base64("KEY")]);
    assert!(
        text.ends_with("is a key in raw bytes, not in base64; encode the file: `base64 -w0`"),
        "{text}"
    );
}

#[test]
fn a_hexadecimal_key_is_read_as_the_bytes_it_stands_for() {
    let hex = "abcdef12345678902bcdef1234567890abcdef1234567890abcdef1234567890";
    let secrets = load([("KEY", hex)], [Spec::hex("KEY").exact_bytes(32)]).unwrap();
    assert_eq!(secrets.bytes("KEY").unwrap().expose()[..3], [0xab, 0xcd, 0xef]);
    assert_eq!(
        problems([("KEY", hex)], [Spec::base64("KEY")]),
        "KEY (variable `KEY`) is hexadecimal, not base64, in which it would be another key; convert \
         it: `xxd -r -p | base64 -w0`"
    );
}

#[test]
fn two_settings_share_a_value_only_if_one_of_them_names_the_other() {
    let shared = [("A", KEY), ("B", KEY), ("C", KEY)];
    let specs =
        |a: Spec, b: Spec, c: Spec| load(shared, [a, b, c]).map_err(|report| report.to_string());
    let spec = Spec::base64;
    let text = specs(spec("A"), spec("B"), spec("C")).unwrap_err();
    assert_eq!(text.lines().count(), 2, "{text}");
    for (a, b) in [(spec("A").may_equal("B"), spec("B")), (spec("A"), spec("B").may_equal("A"))] {
        let text = specs(a, b, spec("C")).unwrap_err();
        assert!(text.starts_with("C (variable `C`) has the same value as `A`;"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let (b, c) = (spec("B").may_equal("A"), spec("C").may_equal("A"));
    let text = specs(spec("A"), b.clone(), c.clone()).unwrap_err();
    assert!(text.starts_with("C (variable `C`) has the same value as `B`;"), "{text}");
    assert!(specs(spec("A"), b, c.may_equal("B")).is_ok());
    // One key, written in two ways.
    let text =
        problems([("A", KEY), ("B", KEY.trim_end_matches('='))], [spec("A"), Spec::text("B")]);
    assert!(text.contains("has the same value as `A`"), "{text}");
}

#[test]
fn a_secret_outlives_the_collection_it_was_read_into() {
    let secrets = load([("PASSWORD", "swordfish")], [Spec::text("PASSWORD")]).unwrap();
    let kept = secrets.text("PASSWORD").cloned().unwrap();
    drop(secrets);
    assert!(kept.ct_eq("swordfish"));
}

#[test]
fn a_finding_is_an_error() {
    fn fails(environment: &Environment) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let finding = environment.unknown("APP_", ["APP_LISTEN"]).remove(0);
        Err(finding.into())
    }
    let error = fails(&Environment::from_iter([("APP_LSITEN", "x")])).unwrap_err();
    assert!(error.to_string().starts_with("APP_LSITEN is not a setting"), "{error}");
}

#[test]
fn weakness_is_a_problem_when_strict_and_a_warning_when_lenient() {
    let weak = [
        ("PLACEHOLDER", "changeme"),
        ("REPEATED", "aaaaaaaaaaaa"),
        ("TWIN_A", "correct horse battery staple"),
        ("TWIN_B", "correct horse battery staple"),
        ("UNEVEN", "YWFhYWFhYWFiYmJiYmJiYmNjY2NjY2NjZGRkZGRkZGQ="),
    ];
    let environment = Environment::from_iter(weak);
    let loader = weak
        .iter()
        .filter(|(name, _)| *name != "UNEVEN")
        .fold(loader(&environment), |loader, (name, _)| loader.add_spec(Spec::text(*name)))
        .add_spec(Spec::base64("UNEVEN"));
    let problems = loader.clone().load().unwrap_err();
    let secrets = loader.mode(Mode::Lenient).load().unwrap();
    let warned: Vec<_> = secrets.warnings().iter().map(|finding| finding.name()).collect();
    assert_eq!(warned, ["PLACEHOLDER", "REPEATED", "TWIN_B", "UNEVEN"]);
    assert_eq!(problems.findings(), secrets.warnings());
    assert!(secrets.text("PLACEHOLDER").is_some(), "a weak secret is still handed out");
}

#[test]
fn what_is_malformed_is_a_problem_even_when_lenient() {
    for (spec, value) in [
        (Spec::base64("KEY"), "c2hvcnQ="),
        (Spec::base64("KEY"), "<32 bytes of base64>"),
        (Spec::pem("KEY"), "changeme"),
        (Spec::text("KEY"), " "),
        (Spec::text("KEY").min_bytes(20), "swordfish"),
    ] {
        let environment = Environment::from_iter([("KEY", value)]);
        let loaded = loader(&environment).mode(Mode::Lenient).add_spec(spec).load();
        assert_eq!(loaded.unwrap_err().len(), 1, "{value}");
    }
}

#[test]
fn a_least_length_of_zero_still_refuses_the_empty_secret() {
    let text = problems([("KEY", "")], [Spec::base64("KEY").min_bytes(0)]);
    assert!(text.contains("is empty"), "{text}");
}

#[test]
fn a_name_that_is_no_name_or_comes_twice_is_a_problem() {
    let specs = ["../shadow", "KEY_FILE", "", "OK", "OK"].map(|name| Spec::text(name).optional());
    let report = load([], specs).unwrap_err();
    let whats: Vec<_> = report.findings().iter().map(|finding| finding.what()).collect();
    let no_name = "is not a valid name for a secret";
    assert_eq!(whats, [no_name, no_name, no_name, "is declared twice"]);
}

#[cfg(unix)]
#[test]
fn twelve_problems_are_twelve_lines() {
    let directory = Directory::new();
    let bom = directory.write("bom", b"\xef\xbb\xbfswordfish");
    let open = directory.write("open", "a password that others can read");
    crate::fixture::chmod(&open, 0o644);
    let gone = directory.path().join("gone");
    let twice = ("N07_TWICE_FILE", bom.as_str());
    let report = load(
        [
            ("N02_PLACEHOLDER", "your-256-bit-secret"),
            ("N03_NOT_BASE64", "not-base64,-for-sure"),
            ("N04_SHORT", "MDhiYzQ5ZTE="),
            ("N05_REPEATS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("N06_NO_PEM", "MC4CAQAwBQYDK2Vw"),
            ("N07_TWICE", "swordfish"),
            twice,
            ("N08_GONE_FILE", gone.to_str().unwrap()),
            ("N09_OPEN_FILE", &open),
            ("N10_BOM_FILE", &bom),
            ("N11_EMPTY", ""),
            ("N00_FIRST", "correct horse battery staple"),
            ("N12_REUSED", "correct horse battery staple"),
        ],
        [
            Spec::text("N00_FIRST"),
            Spec::text("N01_MISSING"),
            Spec::base64("N02_PLACEHOLDER"),
            Spec::base64("N03_NOT_BASE64"),
            Spec::base64("N04_SHORT"),
            Spec::base64("N05_REPEATS"),
            Spec::pem("N06_NO_PEM"),
            Spec::text("N07_TWICE"),
            Spec::text("N08_GONE"),
            Spec::text("N09_OPEN"),
            Spec::text("N10_BOM"),
            Spec::text("N11_EMPTY"),
            Spec::text("N12_REUSED"),
        ],
    )
    .unwrap_err();
    let text = report.to_string();
    let expected = [
        "N01_MISSING     is missing: neither the variable",
        "N02_PLACEHOLDER (variable `N02_PLACEHOLDER`) is a placeholder",
        "N03_NOT_BASE64  (variable `N03_NOT_BASE64`) is not base64",
        "N04_SHORT       (variable `N04_SHORT`) is shorter than the required 32 bytes",
        "N05_REPEATS     (variable `N05_REPEATS`) repeats itself",
        "N06_NO_PEM      (variable `N06_NO_PEM`) contains no PEM block",
        "N07_TWICE       is set twice",
        &format!("N08_GONE        (file `{}`) does not exist", gone.display()),
        &format!("N09_OPEN        (file `{open}`) is readable by every user"),
        &format!("N10_BOM         (file `{bom}`) starts with a byte order mark"),
        "N11_EMPTY       (variable `N11_EMPTY`) is empty",
        "N12_REUSED      (variable `N12_REUSED`) has the same value as `N00_FIRST`",
    ];
    assert_eq!(text.lines().count(), expected.len(), "{text}");
    for (line, start) in text.lines().zip(expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
        assert!(line.contains("; "), "has a remedy: {line}");
    }
}

#[test]
fn the_process_environment_is_read_as_it_is() {
    let environment = Environment::from_process();
    assert_eq!(environment.get("PATH").unwrap().map(OsString::from), std::env::var_os("PATH"));
}

#[test]
fn of_two_variables_with_one_name_the_first_counts() {
    let environment = Environment::from_iter([("A", "first"), ("A", "second")]);
    assert_eq!(environment.get("A"), Ok(Some("first")));
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_a_finding_and_hides_no_other() {
    use std::os::unix::ffi::OsStringExt;

    let broken = || OsString::from_vec(b"sword\xfffish".to_vec());
    let environment = Environment::from_iter([
        (OsString::from("KEY"), broken()),
        (OsString::from("PATH_FILE"), broken()),
        (OsString::from("CREDENTIALS_DIRECTORY"), broken()),
        (broken(), OsString::from("its name cannot be asked for")),
    ]);
    assert_eq!(
        environment.get("KEY").unwrap_err().to_string(),
        "KEY is not UTF-8; encode it as UTF-8, or unset it"
    );
    let report = loader(&environment)
        .add_spec(Spec::text("KEY"))
        .add_spec(Spec::text("PATH"))
        .load()
        .unwrap_err();
    let names: Vec<_> = report.findings().iter().map(|finding| finding.name()).collect();
    assert_eq!(names, ["CREDENTIALS_DIRECTORY", "KEY", "PATH"]);
    assert_eq!(format!("{environment:?}"), "Environment([3 variables])");
}

#[test]
fn a_setting_with_a_typing_error_is_found_and_those_of_the_platform_are_not() {
    let environment = Environment::from_iter([
        ("APP_LISTEN", "127.0.0.1:1"),
        ("APP_ROOT_SECRET_FIEL", "/run/root"),
        ("APP_QQQ", "1"),
        ("APP_PORT", "tcp://10.0.0.1:80"),
        ("APP_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("APP_SERVICE_HOST", "10.0.0.1"),
        ("OTHER", "1"),
    ]);
    let known = ["APP_LISTEN", "APP_ROOT_SECRET", "APP_ROOT_SECRET_FILE"];
    let unknown = environment.unknown("APP_", known);
    let found: Vec<_> = unknown.iter().map(|finding| (finding.name(), finding.remedy())).collect();
    assert_eq!(
        found,
        [
            ("APP_QQQ", "unset it"),
            ("APP_ROOT_SECRET_FIEL", "write `APP_ROOT_SECRET_FILE`, or unset it"),
        ]
    );
}

#[test]
fn everything_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Environment>();
    shared::<Report>();
    shared::<Secrets>();
    shared::<Spec>();
}
