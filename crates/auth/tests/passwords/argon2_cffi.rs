//! argon2-cffi, which is the reference implementation of Argon2, verifies our hashes and we verify its.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use hardpoint_auth::password::{Argon2Profile, PasswordError, PasswordHash, PasswordHasher};

use super::{client, secret};

/// Verifies each hash that it reads, one a line, and writes one of its own for each.
const PROGRAM: &str = "
import sys
from argon2 import PasswordHasher, extract_parameters
password, wrong = sys.argv[1:]
for line in sys.stdin.read().split():
    assert PasswordHasher().verify(line, password)
    try:
        PasswordHasher().verify(line, wrong)
        sys.exit('a wrong password matches')
    except Exception as error:
        assert type(error).__name__ == 'VerifyMismatchError', error
    print(PasswordHasher.from_parameters(extract_parameters(line)).hash(password))
";

const PASSWORD: &str = "correct horse, 密码 and Ünïcode";

#[tokio::test(flavor = "multi_thread")]
async fn argon2_cffi_verifies_our_hashes_and_we_verify_its() {
    let profiles = [
        Argon2Profile::owasp_46_mib(),
        Argon2Profile::owasp_19_mib(),
        Argon2Profile::owasp_12_mib(),
        Argon2Profile::owasp_9_mib(),
        Argon2Profile::owasp_7_mib(),
        "m=65536,t=3,p=4".parse().unwrap(),
    ];
    let (mut ours, mut hashers) = (String::new(), Vec::new());
    for profile in profiles {
        let passwords = PasswordHasher::builder().profile(profile).arenas(1).build();
        let hash = passwords.hash(client("a"), secret(PASSWORD)).await.unwrap();
        ours += &format!("{}\n", hash.as_str());
        hashers.push(passwords);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut child = Command::new("python3")
        .args(["-c", PROGRAM, PASSWORD, "wrong"])
        .env("PYTHONPATH", root.join("target/tools/python"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(ours.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "argon2-cffi, which scripts/test installs: {output:?}");
    let theirs = String::from_utf8(output.stdout).unwrap();
    assert_eq!(theirs.lines().count(), profiles.len());
    for (line, passwords) in theirs.lines().zip(&hashers) {
        let stored = PasswordHash::parse(line).unwrap();
        let verified = passwords.verify(client("a"), Some(&stored), secret(PASSWORD)).await;
        assert!(verified.unwrap().replacement().is_none(), "the same parameters: {line}");
        let wrong = passwords.verify(client("a"), Some(&stored), secret("wrong")).await;
        assert_eq!(wrong.unwrap_err(), PasswordError::Mismatch);
    }
    println!("argon2-cffi verified {} of our hashes, and we verified {0} of its", profiles.len());
}
