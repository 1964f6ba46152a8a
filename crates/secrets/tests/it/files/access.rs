//! Files that other users can read, write or replace.

use std::{
    fs,
    os::unix::fs::{chown, lchown, symlink},
    path::Path,
};

use hardpoint_secrets::{Environment, Mode, Secrets, Spec};

use super::{from_directory, from_file, with_credentials};
use crate::fixture::{Directory, chmod};

#[test]
fn files_that_a_platform_mounts_for_all_to_read_are_taken() {
    let directory = Directory::new();
    let path = directory.write("db_password", "swordfish");
    for mode in [0o400, 0o440, 0o444, 0o644] {
        chmod(&path, mode);
        assert!(from_directory(directory.path()).is_ok(), "{mode:o}");
    }
    // The usual way of Docker: the variable names a file in the directory.
    let environment = Environment::from_iter([("DB_PASSWORD_FILE", path)]);
    let secrets = Secrets::loader(&environment)
        .directory(directory.path())
        .add_spec(Spec::text("DB_PASSWORD"))
        .load();
    assert!(secrets.is_ok());
}

#[test]
fn files_that_others_can_touch_are_refused_when_strict_and_warned_of_when_lenient() {
    let directory = Directory::new();
    let path = directory.write("password", "swordfish");
    for (mode, what) in [
        (0o644, Some("is readable by every user of the machine")),
        (0o604, Some("is readable by every user of the machine")),
        (0o602, Some("is writable by every user of the machine")),
        (0o666, Some("is writable by every user of the machine")),
        (0o660, Some("is writable by its group")),
        (0o620, Some("is writable by its group")),
        (0o640, None),
        (0o400, None),
    ] {
        chmod(&path, mode);
        let problem = from_file(&path).err();
        assert_eq!(problem.as_ref().map(|report| report.findings()[0].what()), what, "{mode:o}");
        let environment = Environment::from_iter([("DB_PASSWORD_FILE", path.as_str())]);
        let secrets = Secrets::loader(&environment)
            .mode(Mode::Lenient)
            .add_spec(Spec::text("DB_PASSWORD"))
            .load()
            .unwrap();
        let warning = secrets.warnings().first().map(|finding| finding.what());
        assert_eq!(warning, what, "{mode:o}");
    }
}

#[test]
fn a_mounted_file_that_others_can_write_is_refused() {
    let directory = Directory::new();
    chmod(directory.write("db_password", "swordfish"), 0o646);
    let report = from_directory(directory.path()).unwrap_err();
    assert_eq!(report.findings()[0].what(), "is writable by every user of the machine");
}

#[test]
fn a_link_out_of_the_directory_does_not_lend_its_trust() {
    let (directory, elsewhere) = (Directory::new(), Directory::new());
    let path = elsewhere.write("password", "swordfish");
    symlink(&path, directory.path().join("db_password")).unwrap();
    assert!(from_directory(directory.path()).is_ok());
    chmod(&path, 0o644);
    let report = from_directory(directory.path()).unwrap_err();
    assert_eq!(report.findings()[0].what(), "is readable by every user of the machine");
}

#[test]
fn the_directory_of_credentials_lends_its_trust_to_what_was_looked_up_in_it_alone() {
    let directory = Directory::new();
    let credentials = directory.path().to_str().unwrap();
    let path = directory.write("db_password", "swordfish");
    chmod(&path, 0o644);
    assert!(with_credentials(credentials, None).is_ok());
    let report = with_credentials(credentials, Some(&path)).unwrap_err();
    assert_eq!(report.findings()[0].what(), "is readable by every user of the machine");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_of_another_user_is_refused_unless_it_was_mounted() {
    let directory = Directory::new();
    let path = directory.write("db_password", "swordfish");
    if chown(&path, Some(4711), None).is_err() {
        // Only root can give files away; the decision itself has a test of its own.
        return;
    }
    let report = from_file(&path).unwrap_err();
    assert_eq!(report.findings()[0].what(), "belongs to neither root nor the user of this process");
    assert!(from_directory(directory.path()).is_ok());
}

#[test]
fn a_file_below_a_directory_that_others_can_write_is_refused_unless_it_is_sticky() {
    let directory = Directory::new();
    fs::create_dir(directory.path().join("own")).unwrap();
    let path = directory.write("own/password", "swordfish");
    let what = || from_file(&path).err().map(|report| report.findings()[0].what().to_owned());
    let expected = |who| {
        let directory = directory.path().display();
        format!("is below the directory `{directory}`, which is writable by {who}")
    };
    for (mode, who) in [
        (0o777, Some("every user of the machine")),
        (0o757, Some("every user of the machine")),
        (0o775, Some("its group")),
        (0o770, Some("its group")),
        (0o1777, None),
        (0o1770, None),
        (0o755, None),
        (0o700, None),
    ] {
        chmod(directory.path(), mode);
        assert_eq!(what(), who.map(expected), "{mode:o}");
    }
    // Platforms mount so what lies in the container's own directory.
    chmod(directory.path(), 0o777);
    directory.write("db_password", "swordfish");
    assert!(from_directory(directory.path()).is_ok());
}

#[test]
fn a_file_below_a_directory_of_another_user_is_refused() {
    let directory = Directory::new();
    fs::create_dir(directory.path().join("theirs")).unwrap();
    let path = directory.write("theirs/password", "swordfish");
    let theirs = directory.path().join("theirs");
    if !gives_away(&theirs) {
        return;
    }
    for mode in [0o755, 0o1777] {
        chmod(&theirs, mode);
        let report = from_file(&path).unwrap_err();
        assert_eq!(
            report.findings()[0].what(),
            format!(
                "is below the directory `{}`, which belongs to neither root nor the user of this \
                 process",
                theirs.display()
            )
        );
    }
}

#[test]
fn a_link_of_another_user_in_a_sticky_directory_is_refused_and_followed_elsewhere() {
    let (sticky, elsewhere) = (Directory::new(), Directory::new());
    let path = elsewhere.write("password", "swordfish");
    // To the file, to a directory on the way, and over a second link.
    let links =
        [("file", path.as_str()), ("way", elsewhere.path().to_str().unwrap()), ("again", "file")];
    for (name, target) in links {
        symlink(target, sticky.path().join(name)).unwrap();
    }
    let name = sticky.path().file_name().unwrap().to_str().unwrap();
    let given = ["file", "way/password", "again", &format!("../{name}/file")]
        .map(|end| sticky.path().join(end).to_str().unwrap().to_owned());
    for mode in [0o755, 0o1777] {
        chmod(sticky.path(), mode);
        for path in &given {
            assert!(from_file(path).is_ok(), "{path} {mode:o}");
        }
    }
    if !links.iter().all(|(name, _)| gives_away(sticky.path().join(name))) {
        return;
    }
    for path in &given {
        let report = from_file(path).unwrap_err();
        assert!(report.findings()[0].what().starts_with("is behind the link `"), "{report}");
    }
    chmod(sticky.path(), 0o755);
    for path in &given {
        assert!(from_file(path).is_ok(), "nobody else can replace the link: {path}");
    }
}

/// Gives a file away, which only root can. The decision itself has a test of its own.
fn gives_away(path: impl AsRef<Path>) -> bool {
    lchown(path, Some(4711), None).is_ok()
}
