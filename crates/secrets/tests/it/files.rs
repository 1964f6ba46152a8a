//! Files as Docker, Kubernetes and systemd lay them out, and as they should not be.

use std::{
    fs,
    os::unix::{
        fs::{chown, lchown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use hardpoint_secrets::{Environment, Mode, Provenance, Report, Secrets, Spec};

use crate::fixture::{Directory, chmod, load, loader, problems};

fn from_directory(directory: &Path) -> Result<Secrets, Report> {
    Secrets::loader(&Environment::from_iter([("OTHER", "x")]))
        .directory(directory)
        .add_spec(Spec::text("DB_PASSWORD").optional())
        .load()
}

fn from_file(path: &str) -> Result<Secrets, Report> {
    load([("DB_PASSWORD_FILE", path)], [Spec::text("DB_PASSWORD")])
}

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
fn what_is_no_regular_file_is_refused() {
    let directory = Directory::new();
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for path in [socket.to_str().unwrap(), directory.path().to_str().unwrap(), "/dev/zero"] {
        assert_eq!(
            from_file(path).unwrap_err().to_string(),
            format!(
                "DB_PASSWORD (file `{path}`) is not a regular file; name a file, not a directory, \
                 pipe or device"
            )
        );
    }
}

#[test]
fn a_file_has_at_most_64_kib() {
    let directory = Directory::new();
    let most: String = ('a'..='z').cycle().take(64 * 1024).collect();
    assert!(from_file(&directory.write("most", &most)).is_ok());
    let text = from_file(&directory.write("more", format!("{most}a"))).unwrap_err();
    assert_eq!(text.findings()[0].what(), "is larger than 64 KiB");
}

#[test]
fn a_link_that_points_to_nothing_is_a_mistake_not_an_absence() {
    let directory = Directory::new();
    symlink("gone", directory.path().join("db_password")).unwrap();
    let report = from_directory(directory.path()).unwrap_err();
    assert_eq!(report.findings()[0].what(), "does not exist");
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

/// As Kubernetes mounts a volume: `name -> ..data/name`, `..data -> ..version`.
struct Volume(Directory);

impl Volume {
    fn new() -> Self {
        let volume = Self(Directory::new());
        for version in ["first", "other"] {
            let folder = volume.0.path().join(format!("..{version}"));
            fs::create_dir(&folder).unwrap();
            let path = volume.0.write(
                &format!("..{version}/db_password"),
                format!("password of the {version} version").repeat(1000),
            );
            chmod(path, 0o644);
        }
        symlink("..data/db_password", volume.0.path().join("db_password")).unwrap();
        symlink("..first", volume.0.path().join("..data")).unwrap();
        volume
    }

    /// What the kubelet does on an update: a new link is renamed over the old one.
    fn swap(&self, version: &str) {
        let link = self.0.path().join("..data_tmp");
        symlink(format!("..{version}"), &link).unwrap();
        fs::rename(link, self.0.path().join("..data")).unwrap();
    }

    fn holds(&self, version: &str) -> bool {
        let secrets = from_directory(self.0.path()).unwrap();
        let value = format!("password of the {version} version").repeat(1000);
        secrets.text("DB_PASSWORD").unwrap().ct_eq(value)
    }
}

#[test]
fn the_links_of_a_kubernetes_volume_are_followed_before_and_after_a_swap() {
    let volume = Volume::new();
    assert!(volume.holds("first"));
    volume.swap("other");
    assert!(volume.holds("other"));
}

/// Set when it is dropped, so that a failure does not wait for a thread that waits for it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_volume_that_is_swapped_meanwhile_gives_one_version_or_the_other() {
    let volume = Volume::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                volume.swap("other");
                volume.swap("first");
            }
        });
        let _done = Done(&done);
        for _ in 0..200 {
            let secrets = from_directory(volume.0.path()).unwrap();
            let value = secrets.text("DB_PASSWORD").unwrap();
            let whole = ["first", "other"].iter().any(|version| {
                value.ct_eq(format!("password of the {version} version").repeat(1000))
            });
            assert!(whole);
        }
    });
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

/// Gives a file away, which only root can. The decision itself has a test of its own.
fn gives_away(path: impl AsRef<Path>) -> bool {
    lchown(path, Some(4711), None).is_ok()
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

#[test]
fn a_pipe_or_a_device_in_place_of_the_file_never_holds_the_loader_up() {
    let directory = Directory::new();
    let path = directory.path().join("db_password");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let report = from_file(pipe.to_str().unwrap()).unwrap_err();
    assert_eq!(report.findings()[0].what(), "is not a regular file");
    // A terminal is opened without becoming the one of this process.
    assert!(from_file("/dev/tty").is_err());

    let file = directory.write("file", "swordfish");
    let done = AtomicBool::new(false);
    let (mut loaded, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for target in [&pipe, Path::new(&file), Path::new("/dev/zero")] {
                    let link = directory.path().join("link");
                    symlink(target, &link).unwrap();
                    fs::rename(&link, &path).unwrap();
                }
            }
        });
        let _done = Done(&done);
        while !(path.is_symlink()) {
            thread::yield_now();
        }
        for _ in 0..2000 {
            match from_directory(directory.path()) {
                Ok(secrets) => {
                    assert!(secrets.text("DB_PASSWORD").unwrap().ct_eq("swordfish"));
                    loaded += 1;
                }
                Err(report) => {
                    let what = report.findings()[0].what();
                    assert_eq!(what, "is not a regular file");
                    refused += 1;
                }
            }
        }
    });
    assert!(loaded > 0 && refused > 0, "{loaded} {refused}");
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

fn with_credentials(directory: &str, file: Option<&str>) -> Result<Secrets, Report> {
    let mut variables = vec![("CREDENTIALS_DIRECTORY", directory)];
    variables.extend(file.map(|file| ("DB_PASSWORD_FILE", file)));
    let environment = Environment::from_iter(variables);
    loader(&environment).add_spec(Spec::text("DB_PASSWORD").optional()).load()
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
