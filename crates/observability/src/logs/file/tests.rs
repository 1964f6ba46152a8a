//! Rotation, retention and faults, with real files.

use std::{fs, io::Write, path::PathBuf, time::Duration};

use hardpoint_core::ManualClock;

use super::{LogFile, LogFileOutput};
use crate::ConfigError;

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("hardpoint-log-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _absent = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("orders.log")
    }

    /// The contents of the log and of its renamed files, the oldest first.
    fn texts(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("orders.log."))
            .collect();
        names.sort();
        names.push("orders.log".to_owned());
        names.iter().map(|name| fs::read_to_string(self.0.join(name)).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _absent = fs::remove_dir_all(&self.0);
    }
}

fn put(output: &mut LogFileOutput, lines: &str) {
    output.write_all(lines.as_bytes()).unwrap();
}

#[test]
fn a_full_file_is_renamed_and_only_the_last_ones_stay() {
    let folder = Folder::new("size");
    for other in ["orders.log.gz", "orders.log.20260101T000000.000000Z.gz", "other.log"] {
        fs::write(folder.0.join(other), "not ours").unwrap();
    }
    let clock = ManualClock::default();
    let file = LogFile::new(folder.log()).max_bytes(8).keep(2).time(&clock);
    let mut output = file.open().unwrap();
    put(&mut output, "one\ntwo\nthree\n");
    put(&mut output, "four\n");
    put(&mut output, "a line that is longer than a file\nfive\n");
    let mut texts = folder.texts();
    texts.retain(|text| text != "not ours");
    assert_eq!(texts, ["four\n", "a line that is longer than a file\n", "five\n"]);
    assert_eq!(folder.texts().len(), 5, "other files stay");
    assert_eq!(fs::read_to_string(folder.0.join("other.log")).unwrap(), "not ours");
}

#[test]
fn a_new_period_begins_a_new_file_also_after_a_restart() {
    let folder = Folder::new("period");
    let clock = ManualClock::default();
    let file = LogFile::new(folder.log()).every(Duration::from_hours(24)).time(&clock);
    let mut output = file.clone().open().unwrap();
    put(&mut output, "first day\n");
    clock.advance(Duration::from_hours(23));
    put(&mut output, "second day\n");
    clock.advance(Duration::from_hours(1));
    put(&mut output, "still the second\n");
    assert_eq!(folder.texts(), ["first day\n", "second day\nstill the second\n"]);
    drop(output);
    // The file system has the time of the last line, and the clock of the process is far ahead.
    clock.advance(Duration::from_hours(24 * 365 * 100));
    let mut output = file.open().unwrap();
    put(&mut output, "later\n");
    assert_eq!(folder.texts().last().unwrap(), "later\n");
    assert_eq!(folder.texts().len(), 3);
}

#[test]
fn lines_are_appended_after_a_restart() {
    let folder = Folder::new("append");
    for text in ["one\n", "two\n"] {
        put(&mut LogFile::new(folder.log()).open().unwrap(), text);
    }
    assert_eq!(folder.texts(), ["one\ntwo\n"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_was_removed_or_renamed_is_created_again() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("renamed");
    let clock = ManualClock::default();
    let mut output = LogFile::new(folder.log()).time(&clock).open().unwrap();
    assert_eq!(fs::metadata(folder.log()).unwrap().permissions().mode() & 0o137, 0);
    put(&mut output, "one\n");
    fs::rename(folder.log(), folder.0.join("moved")).unwrap();
    put(&mut output, "two\n");
    clock.advance(Duration::from_secs(1));
    put(&mut output, "three\n");
    fs::remove_file(folder.log()).unwrap();
    clock.advance(Duration::from_secs(1));
    put(&mut output, "four\n");
    assert_eq!(fs::read_to_string(folder.0.join("moved")).unwrap(), "one\ntwo\n");
    assert_eq!(folder.texts(), ["four\n"]);
    // Another file under the name is not renamed: it is the log from then on.
    let mut output = LogFile::new(folder.log()).max_bytes(6).time(&clock).open().unwrap();
    fs::remove_file(folder.log()).unwrap();
    fs::write(folder.log(), "of others\n").unwrap();
    put(&mut output, "five\n");
    put(&mut output, "six\n");
    assert_eq!(folder.texts(), ["of others\nfive\n", "six\n"]);
}

#[test]
fn without_its_directory_lines_fail_and_with_it_they_are_written_again() {
    let folder = Folder::new("gone");
    let clock = ManualClock::default();
    let mut output = LogFile::new(folder.log()).time(&clock).open().unwrap();
    fs::remove_dir_all(&folder.0).unwrap();
    clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        assert!(output.write_all(b"lost\n").is_err());
    }
    fs::create_dir(&folder.0).unwrap();
    put(&mut output, "found\n");
    assert_eq!(folder.texts(), ["found\n"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_renamed_grows_to_twice_its_size_at_most() {
    let folder = Folder::new("stuck");
    let clock = ManualClock::default();
    let file = LogFile::new(folder.log()).max_bytes(10).time(&clock);
    let mut output = file.open().unwrap();
    put(&mut output, "123456789\n");
    // The directory loses its name while the file keeps its own through a link.
    let moved = folder.0.with_extension("moved");
    fs::rename(&folder.0, &moved).unwrap();
    assert!(output.write_all(b"1234\n").is_ok(), "renaming fails, and the file stays open");
    assert!(output.write_all(b"12345\n").is_err(), "no more than twice");
    fs::rename(&moved, &folder.0).unwrap();
    clock.advance(Duration::from_secs(1));
    put(&mut output, "again\n");
    assert_eq!(folder.texts(), ["123456789\n1234\n", "again\n"]);
}

#[test]
fn what_is_not_a_regular_file_is_refused() {
    let folder = Folder::new("refused");
    let path = folder.0.display().to_string();
    let error = LogFile::new(&folder.0).open().unwrap_err();
    assert!(matches!(&error, ConfigError::File { path: found, .. } if *found == path), "{error}");
    assert!(error.to_string().contains("regular file"), "{error}");
    let missing = LogFile::new(folder.0.join("none/orders.log")).open();
    assert!(missing.is_err());
    #[cfg(unix)]
    assert!(LogFile::new("/dev/null").open().is_err());
}
