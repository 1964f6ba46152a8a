//! Tokens that were seen before.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use hardpoint::{
    auth::{Algorithm, TokenCache, TokenVerifier},
    core::Time,
};
use hardpoint_bench_harness::{
    load::Pattern,
    measure::{Contender, Plan},
    report::{Contest, Goal},
    tokens::TokenSet,
};
use moka::sync::Cache;

use super::{Claims, Jsonwebtoken, LEEWAY, TOKENS, cycle, texts, try_out};

/// As many tokens as the caches keep unless they are told otherwise.
const MANY: u32 = 10_000;

/// How many tokens a cache may keep.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// As many as there are. Ours is made of buckets of eight: where more than eight fall into one,
    /// some have to be verified anew.
    Exact,
    /// Four times as many, so that each finds a place in its bucket.
    Fourfold,
}

/// Beside the peer that remembers nothing.
pub(super) fn beside_cold(goal: f64) -> Contest<'static> {
    let set = TokenSet::generate(Algorithm::Rs256, TOKENS);
    let builder = set.builder().cache(TokenCache::new());
    let verifier = builder.build().expect("an issuer and an audience");
    let peer = Jsonwebtoken::of(&set);
    try_out(&set, |token| verifier.verify(token).is_ok());
    try_out(&set, |token| peer.accepts(token));
    Contest::new(
        cycle(texts(&set), move |token| verifier.verify(token).is_ok()),
        cycle(texts(&set), move |token| peer.accepts(token)),
    )
    .goal(Goal::Value(goal))
}

/// Beside the cache that a user of jsonwebtoken puts in front of it.
pub(super) fn beside_moka(pattern: Pattern, room: Room, threads: usize) -> Contest<'static> {
    let (ours, peer) = (ours(room), Remembering::of(&SIGNED.set, room));
    try_out(&SIGNED.set, |token| peer.accepts(token));
    assert!(SIGNED.texts.iter().all(|token| peer.accepts(token)), "all tokens are valid");
    peer.cache.run_pending_tasks();
    assert_eq!(peer.cache.entry_count(), u64::from(MANY), "it has room for all of them");
    try_out(&SIGNED.set, |token| peer.accepts(token));
    Contest::new(
        sweep(pattern, threads, move |_, token| ours.verify(token).is_ok()),
        sweep(pattern, threads, move |_, token| peer.accepts(token)),
    )
    .plan(plan())
}

/// Two threads beside one, which takes as long for a token if threads do not wait for each other.
/// Both together do 1.8 times as much if each takes 2 / 1.8 of what it takes alone.
pub(super) fn beside_one_thread(pattern: Pattern) -> Contest<'static> {
    let shared = ours(Room::Fourfold);
    let alone = shared.clone();
    scaling(pattern, move |_, token| shared.verify(token).is_ok(), alone)
}

/// The same with a verifier for each thread: what the machine itself adds.
pub(super) fn beside_one_thread_sharing_nothing() -> Contest<'static> {
    let own = [(); 2].map(|()| ours(Room::Fourfold));
    let alone = own[0].clone();
    scaling(Pattern::Hot, move |thread, token| own[thread].verify(token).is_ok(), alone)
}

fn scaling(
    pattern: Pattern,
    together: impl Fn(usize, &str) -> bool + Sync + 'static,
    alone: TokenVerifier,
) -> Contest<'static> {
    Contest::new(
        sweep(pattern, 2, together),
        sweep(pattern, 1, move |_, token| alone.verify(token).is_ok()),
    )
    .plan(plan())
    .goal(Goal::Ratio(1.11))
}

/// Samples are long beside what it takes to wake two threads.
fn plan() -> Plan {
    Plan { rounds: 41, sample: Duration::from_millis(20), ..Plan::default() }
}

/// Each thread verifies the tokens of its own list.
fn sweep(
    pattern: Pattern,
    threads: usize,
    accepts: impl Fn(usize, &str) -> bool + Sync + 'static,
) -> Contender<'static> {
    const DRAWS: usize = 1 << 16;

    let token = |index| SIGNED.texts[usize::try_from(index).unwrap_or_default()].as_str();
    let draw =
        |seed| -> Vec<&str> { pattern.draw(MANY, DRAWS, seed).into_iter().map(token).collect() };
    let load: Vec<Vec<&str>> = (1..=threads).map(|thread| draw(thread as u64)).collect();
    Contender::on_threads(threads, move |thread, place| {
        assert!(accepts(thread, load[thread][place % DRAWS]), "every token is valid");
    })
}

/// A verifier that has seen every token.
fn ours(room: Room) -> TokenVerifier {
    let cache = TokenCache::new();
    let cache = match room {
        Room::Exact => cache,
        // Buckets share the memory equally: with four times as much, eight tokens fit into each.
        Room::Fourfold => cache.entries(4 * 10_000).bytes(4 * 32 * 1024 * 1024),
    };
    let builder = SIGNED.set.builder().cache(cache);
    let verifier = builder.build().expect("an issuer and an audience");
    try_out(&SIGNED.set, |token| verifier.verify(token).is_ok());
    assert!(SIGNED.texts.iter().all(|token| verifier.verify(token).is_ok()), "all are valid");
    try_out(&SIGNED.set, |token| verifier.verify(token).is_ok());
    verifier
}

/// Made once, since ten thousand signatures take a while.
struct Signed {
    set: TokenSet,
    texts: Vec<String>,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let set = TokenSet::generate(Algorithm::EdDsa, usize::try_from(MANY).unwrap_or_default());
    let texts = texts(&set);
    Signed { set, texts }
});

/// jsonwebtoken behind moka, as moka's documentation says: claims by the token itself.
struct Remembering {
    peer: Jsonwebtoken,
    cache: Cache<String, Arc<Claims>>,
}

impl Remembering {
    fn of(set: &TokenSet, room: Room) -> Self {
        let places = match room {
            Room::Exact => u64::from(MANY),
            Room::Fourfold => 4 * u64::from(MANY),
        };
        Self { peer: Jsonwebtoken::of(set), cache: Cache::new(places) }
    }

    fn accepts(&self, token: &str) -> bool {
        if let Some(claims) = self.cache.get(token) {
            let now = Time::system().unix().as_secs();
            if claims.exp.saturating_add_unsigned(LEEWAY) > now.cast_signed() {
                return true;
            }
            self.cache.invalidate(token);
        }
        let Some(claims) = self.peer.claims(token) else { return false };
        self.cache.insert(token.to_owned(), Arc::new(claims));
        true
    }
}
