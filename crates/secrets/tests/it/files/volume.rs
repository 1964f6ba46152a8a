//! A volume as Kubernetes mounts it, and swaps it.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{Done, from_directory};
use crate::fixture::{Directory, chmod};

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
