//! Where a file is looked for, and which one goes first.

use std::{os::unix::fs::symlink, path::PathBuf};

use hardpoint_secrets::{Environment, Provenance, Secrets, Spec};

use super::{from_directory, from_file, with_credentials};
use crate::fixture::{Directory, problems};

#[test]
fn a_named_file_is_read_and_one_line_break_taken_off() {
    let directory = Directory::new();
    for (written, value) in [
        ("swordfish", "swordfish"),
        ("swordfish\n", "swordfish"),
        ("swordfish\r\n", "swordfish"),
        ("sword\nfish\n", "sword\nfish"),
    ] {
        let path = directory.write("password", written);
        let secrets = from_file(&path).unwrap();
        assert!(secrets.text("DB_PASSWORD").unwrap().ct_eq(value), "{written:?}");
        assert_eq!(secrets.provenance("DB_PASSWORD"), Some(&Provenance::File(PathBuf::from(path))));
    }
    let path = directory.write("password", "swordfish\n\n");
    let text = from_file(&path).unwrap_err().to_string();
    assert!(text.contains("starts or ends with whitespace"), "{text}");
}

#[test]
fn a_variable_goes_before_systemd_and_systemd_before_the_directory() {
    let (directory, credentials) = (Directory::new(), Directory::new());
    let named = directory.write("named", "from the named file");
    directory.write("db_password", "from the directory");
    credentials.write("db_password", "from systemd");
    let places = [
        ("DB_PASSWORD", "from the variable"),
        ("DB_PASSWORD_FILE", &named),
        ("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap()),
        ("CREDENTIALS_DIRECTORY", ""),
    ];
    for (place, value) in places.into_iter().zip([
        "from the variable",
        "from the named file",
        "from systemd",
        "from the directory",
    ]) {
        // The places behind it are there as well.
        let systemd = ("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap());
        let environment = Environment::from_iter([place, systemd]);
        let secrets = Secrets::loader(&environment)
            .directory(directory.path())
            .add_spec(Spec::text("DB_PASSWORD"))
            .load()
            .unwrap();
        assert!(secrets.text("DB_PASSWORD").unwrap().ct_eq(value), "{value}");
    }
}

#[test]
fn a_directory_that_is_not_there_holds_no_secrets() {
    let directory = Directory::new();
    let file = directory.write("file", "no directory");
    for path in [directory.path().join("gone"), PathBuf::from(file)] {
        assert!(from_directory(&path).unwrap().text("DB_PASSWORD").is_none());
    }
}

#[test]
fn a_mounted_file_is_found_under_its_name_in_lower_or_upper_case() {
    let file = |names: &[&str]| {
        let directory = Directory::new();
        for name in names {
            directory.write(name, format!("from {name}"));
        }
        let environment = Environment::from_iter([("OTHER", "x")]);
        let secrets = Secrets::loader(&environment)
            .directory(directory.path())
            .add_spec(Spec::text("Db_Password").optional())
            .load();
        secrets
            .map(|secrets| secrets.text("Db_Password").map(|text| text.expose().to_owned()))
            .map_err(|report| report.findings()[0].what().to_owned())
    };
    for name in ["db_password", "DB_PASSWORD", "Db_Password"] {
        assert_eq!(file(&[name]), Ok(Some(format!("from {name}"))));
    }
    assert_eq!(file(&["dB_password"]), Ok(None));
    for both in [["db_password", "DB_PASSWORD"], ["Db_Password", "DB_PASSWORD"]] {
        assert!(file(&both).unwrap_err().starts_with("is there twice, as the files"), "{both:?}");
    }
    // One file under two names, as on a system where case does not matter.
    let directory = Directory::new();
    directory.write("db_password", "swordfish");
    symlink("db_password", directory.path().join("DB_PASSWORD")).unwrap();
    assert!(from_directory(directory.path()).unwrap().text("DB_PASSWORD").is_some());
}

#[test]
fn a_path_that_may_be_the_secret_itself_is_not_shown() {
    for value in [
        "hunter2 hunter2",
        "/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ",
        "/a/b+c=",
        "./hunter2",
        "../hunter2",
        "//hunter2",
        "a/b",
    ] {
        let text = problems([("KEY_FILE", value)], [Spec::text("KEY")]);
        assert_eq!(
            text,
            "KEY (variable `KEY_FILE`) is not the path of a readable file; set `KEY_FILE` to the \
             path of a file with the secret"
        );
    }
}

#[test]
fn the_directory_of_credentials_is_absolute_and_not_the_root() {
    for path in ["/", "//", "/.", "/..", "/run/..", ".", "credentials"] {
        let report = with_credentials(path, None).unwrap_err();
        assert_eq!(report.findings()[0].name(), "CREDENTIALS_DIRECTORY", "{path}");
        assert_eq!(
            report.findings()[0].what(),
            "is not the absolute path of a directory dedicated to this service"
        );
    }
    for path in ["", "/nonexistent/credentials"] {
        assert!(with_credentials(path, None).is_ok(), "{path}");
    }
}
