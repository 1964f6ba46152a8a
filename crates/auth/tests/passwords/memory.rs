//! A thousand log-ins take the memory of a few.

use std::{fs, process::Command, time::Duration};

use hardpoint_auth::password::{Argon2Profile, PasswordError, PasswordHasher};
use tokio::task::JoinSet;

use super::{ALONE, client, secret, soaks};

const MIB: u64 = 1 << 20;

/// The peak of this process's resident memory, in bytes.
fn peak_resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

/// In a process of its own: the allocator keeps what other tests have freed.
#[tokio::test]
async fn a_thousand_log_ins_at_once_take_the_memory_of_the_arenas() {
    let _alone = ALONE.lock().await;
    let mut program = Command::new(std::env::current_exe().unwrap());
    let output = program.args(["--exact", "memory::program", "--ignored", "--nocapture"]).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.split_once("1,000 log-ins"));
    println!("1,000 log-ins{}", line.map_or("", |(_, line)| line));
    assert!(output.status.success() && line.is_some(), "{text}{:?}", output.status);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a program that the test above starts"]
async fn program() {
    let arenas = 2;
    let profile = Argon2Profile::owasp_46_mib();
    // At length all of them are served. In short they all wait, and few get a turn.
    let patience = Duration::from_secs(if soaks() { 600 } else { 2 });
    let passwords = PasswordHasher::builder()
        .profile(profile)
        .arenas(arenas)
        .waiting(1000)
        .in_flight_per_client(1000)
        .patience(patience)
        .build();
    let stored = passwords.hash(client("alice"), secret("correct horse")).await.unwrap();
    let mut log_ins = JoinSet::new();
    for n in 0..1000 {
        let (passwords, stored) = (passwords.clone(), stored.clone());
        log_ins.spawn(async move {
            let client = client(&format!("client {}", n % 50));
            passwords.verify(client, Some(&stored), secret("correct horse")).await.map(|_| ())
        });
    }
    let answers = log_ins.join_all().await;
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    let shed = answers.iter().filter(|answer| **answer == Err(PasswordError::Overloaded)).count();
    assert_eq!(served + shed, 1000, "{answers:?}");
    let (peak, bound) = (peak_resident(), arenas as u64 * profile.memory_bytes() + 64 * MIB);
    println!(
        "1,000 log-ins at 46 MiB, {arenas} arenas: {served} served, {shed} shed; peak {} MiB of {} MiB",
        peak / MIB,
        bound / MIB
    );
    assert!(peak <= bound, "{peak} bytes at the peak, {bound} allowed");
    assert!(served >= if soaks() { 1000 } else { arenas });
}
