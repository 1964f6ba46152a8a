//! A day in the life of many users: they log in, refresh, and call once a second, while the Redis
//! server is restarted and a new instance takes the service over.
//!
//! `./scripts/bench day` plays it with 1,000 users, each of whom has an address of its own in
//! 127.1.0.0/16. Instances run as in production with the default limits, which count addresses and
//! subjects. What is not a default is the drain delay: a second, since the [`balancer`] asks `/readyz`
//! ten times a second.
//!
//! Every log-in hashes a password, about 30 ms of a processor. So they are spread over a ramp at half of
//! the rate at which the accounts were made before, which the hasher did with nothing else to do. The
//! time of all requests counts, that of log-ins included, from when they were due.

mod balancer;
mod tally;
mod user;

use std::time::Duration;

use hardpoint_testkit::redis::RedisServer;
use tokio::{
    task::{JoinSet, block_in_place},
    time::{Instant, sleep_until},
};

use self::{
    balancer::Balancer,
    tally::{Event, Tally},
    user::{Seen, User},
};
use super::{PASSWORD, PATIENCE, Service, load::ALONE, shared::Fleet};

/// How many accounts are made at a time.
const SIGN_UPS: usize = 4;

/// How an instance runs.
const VARIABLES: [(&str, &str); 2] = [("HARDPOINT_ENV", "prod"), ("HARDPOINT_DRAIN_DELAY", "1s")];

/// What runs all day.
struct Site {
    server: RedisServer,
    fleet: Fleet,
    balancer: Balancer,
    instance: Service,
}

impl Site {
    async fn open() -> Self {
        let server = RedisServer::builder().set("appendonly", "yes").start();
        let fleet = Fleet::new(&server);
        let instance = fleet.instance(&VARIABLES).await;
        let balancer = Balancer::default();
        balancer.add(instance.address()).await;
        Self { server, fleet, balancer, instance }
    }

    /// Returns users with accounts, and the time that the hasher takes for one.
    async fn sign_up(&self, users: u32) -> (Vec<User>, Duration) {
        let begin = Instant::now();
        let mut ready = Vec::new();
        let mut signing_up = JoinSet::new();
        for number in 0..users {
            if signing_up.len() >= SIGN_UPS {
                ready.extend(signing_up.join_next().await.transpose().unwrap());
            }
            let user = User::new(number, &self.balancer);
            signing_up.spawn(async move {
                user.sign_up().await;
                user
            });
        }
        ready.extend(signing_up.join_all().await);
        (ready, begin.elapsed() / users)
    }

    /// Kills the Redis server and starts it again with what it had written.
    fn restart_redis(&mut self) -> [Event; 2] {
        let killed = Instant::now();
        block_in_place(|| self.server.restart());
        [(killed, "the Redis server is killed"), (Instant::now(), "it accepts connections again")]
    }

    /// Starts a second instance and ends the first once the second is ready.
    async fn hand_over(&mut self) -> [Event; 3] {
        let second = self.fleet.instance(&VARIABLES).await;
        self.balancer.add(second.address()).await;
        let ready = (Instant::now(), "a second instance is ready");
        let first = std::mem::replace(&mut self.instance, second);
        let told = (Instant::now(), "the first gets a SIGTERM");
        first.process.signal("TERM");
        assert_eq!(first.process.wait(PATIENCE).await.code(), Some(0));
        [ready, told, (Instant::now(), "the first has ended with code 0")]
    }
}

/// Plays a day with this many users, who are all there for `lasting`.
async fn play(users: u32, lasting: Duration) -> Tally {
    let mut site = Site::open().await;
    let (users, hash) = site.sign_up(users).await;
    let begin = Instant::now();
    // Half of what the hasher can do.
    let pace = 2 * hash;
    let ramp = (0..).zip(&users).map(|_: (u32, _)| pace).sum::<Duration>();
    let (all_there, end) = (begin + ramp, begin + ramp + lasting);
    println!("{} users log in within {ramp:.1?}, then {lasting:.0?} pass", users.len());
    let mut living = JoinSet::new();
    for (number, user) in (0..).zip(users) {
        living.spawn(user.live(begin + pace * number, end));
    }
    let mut events = Vec::new();
    sleep_until(all_there + lasting / 3).await;
    events.extend(site.restart_redis());
    sleep_until(all_there + lasting * 2 / 3).await;
    events.extend(site.hand_over().await);
    let seen = living.join_all().await;
    let lost: usize = seen.iter().map(|seen| seen.lost_notes).sum();
    assert_eq!(lost, 0, "confirmed notes are gone");
    let samples = seen.into_iter().flat_map(|Seen { samples, .. }| samples).collect();
    Tally::new(begin, samples, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_day_of_fifty_users_has_errors_only_while_redis_is_away() {
    let _alone = ALONE.lock().await;
    let tally = play(50, Duration::from_secs(5)).await;
    println!("{tally}");
    let [killed, .., told, _ended] = *tally.events() else { panic!("{tally}") };
    for failure in tally.failures() {
        let when = failure.due..=failure.due + failure.took;
        let text = failure.failure.as_deref().unwrap_or_default();
        // The commands that were in flight when the server was killed.
        let by_redis = text == "503 Service Unavailable unavailable" && when.contains(&killed.0);
        assert!(by_redis, "{failure:?} is not explained\n{tally}");
    }
    assert!(killed.0 < told.0);
}

/// `./scripts/bench day`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes, and both processors"]
async fn a_day_of_a_thousand_users() {
    let tally = play(1_000, Duration::from_secs(60)).await;
    println!("{tally}");
    let (p99, errors) = (tally.within(990), tally.error_rate());
    println!("p99 {p99:.0?} of at most 500 ms, {:.3} % errors of at most 0.1 %", 100.0 * errors);
    assert!(p99 < Duration::from_millis(500));
    assert!(errors < 0.001);
}
