//! What is not a regular file, or too large.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{Done, from_directory, from_file};
use crate::fixture::Directory;

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
        for round in 0.. {
            // On a busy machine the other thread may not run for many rounds.
            if round >= 2000 && (loaded > 0 && refused > 0 || round >= 1_000_000) {
                break;
            }
            thread::yield_now();
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
