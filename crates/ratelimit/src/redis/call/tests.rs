use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{Quota, redis::wire};

const QUOTAS: [Quota; 3] =
    [Quota::per_second(2).burst(7), Quota::per_minute(1).burst(3), Quota::per_hour(9)];
const POLICIES: [&str; 3] = ["a", "b", "c"];
const HOLDS: EntryMode = EntryMode::Hold { enforced: true };

/// What a request asks: the policy's number, the key, the cost and the mode.
type Request = Vec<(u8, u8, u32, EntryMode)>;

fn question((policy, key, cost, mode): (u8, u8, u32, EntryMode)) -> Question {
    let key = Digest::from_bits(u128::from(key) << 64 | 64);
    Question::new(policy, key, QUOTAS[usize::from(policy)], cost, mode)
}

fn add(call: &mut Call, request: &Request) -> Option<Ticket> {
    let asks = request.iter().map(|asked| {
        let question = question(*asked);
        let policy = POLICIES[usize::from(asked.0)];
        let bucket = Bucket::new(policy, question.key);
        Ask { policy, key: question.key, bucket, holds: false, rule: Rule::new(&question) }
    });
    call.add(&Names::test(), asks)
}

/// The debts of buckets, changed as a server changes them.
#[derive(Clone, Default)]
struct Debts(HashMap<(u8, u8), u64>);

impl Debts {
    /// Decides one request by the rules of `gcra`. Returns the debts before, and who had room.
    fn decide(&mut self, request: &Request) -> Vec<(u64, bool)> {
        let debt = |debts: &Self, asked: &(u8, u8, u32, EntryMode)| {
            *debts.0.get(&(asked.0, asked.1)).unwrap_or(&0)
        };
        let answers: Vec<_> = request
            .iter()
            .map(|asked| (debt(self, asked), question(*asked).after(debt(self, asked)).is_some()))
            .collect();
        let refused =
            request.iter().zip(&answers).any(|(asked, (_, room))| asked.3.is_enforced() && !room);
        for asked in request.iter().filter(|asked| !refused || !asked.3.asks()) {
            let before = debt(self, asked);
            let after = question(*asked).after(before).unwrap_or(before);
            self.0.insert((asked.0, asked.1), after);
        }
        answers
    }
}

/// What the script answers to a call of these requests, if all buckets were full.
fn answer(call: &Call, requests: &[(Request, Ticket)]) -> Vec<u8> {
    let mut to = wire::Writer::default();
    to.number(1_790_000_000.0);
    to.number(5_000.0);
    let mut debts = Debts::default();
    for (number, step) in (0..).zip(&call.steps) {
        let equal: Vec<_> = requests.iter().filter(|(_, ticket)| ticket.step == number).collect();
        let turns: Vec<_> = equal.iter().map(|(_, ticket)| ticket.turn).collect();
        assert_eq!(turns, (0..u32::try_from(turns.len()).unwrap()).collect::<Vec<_>>());
        for (turn, (request, _)) in equal.into_iter().enumerate() {
            let answers = debts.decide(request);
            if turn == 0 {
                answers.iter().for_each(|(debt, _)| to.number(*debt as f64));
                if call.holds(step) {
                    to.number(3.0);
                }
            }
        }
    }
    to.finish()
}

fn mode() -> impl Strategy<Value = EntryMode> {
    prop_oneof![
        8 => Just(EntryMode::Enforce),
        2 => Just(EntryMode::Observe),
        1 => Just(EntryMode::Force),
        1 => Just(EntryMode::Refund),
        1 => Just(EntryMode::Reset),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let asked = (0_u8..2, 0_u32..3, mode());
    prop::collection::vec(asked, 1..=3).prop_map(|asked| {
        (0..).zip(asked).map(|(policy, (key, cost, mode))| (policy, key, cost, mode)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// However requests share steps, each is decided as if it had been the only one of its call.
    #[test]
    fn requests_that_share_a_call_are_decided_in_the_order_of_their_arrival(
        requests in prop::collection::vec(request(), 1..60)
    ) {
        let mut call = Call::default();
        let requests: Vec<_> = requests
            .into_iter()
            .map(|request| { let ticket = add(&mut call, &request).unwrap(); (request, ticket) })
            .collect();
        let answer = call.read(&answer(&call, &requests)).unwrap();
        let mut debts = Debts::default();
        for (request, ticket) in &requests {
            let expected = debts.decide(request);
            let verdicts = call.verdicts(*ticket, &answer);
            let mut questions = crate::store::Questions::new();
            request.iter().for_each(|asked| questions.push(question(*asked)));
            for ((question, verdict), (debt, room)) in verdicts.each(&questions).zip(expected) {
                let allowed = verdicts.allowed();
                let after = if question.mode.asks() && !(allowed && room) { debt }
                    else { question.after(debt).unwrap_or(debt) };
                prop_assert_eq!((verdict.debt, verdict.room), (after, room), "{:?}", question.mode);
            }
        }
    }
}

#[test]
fn equal_requests_for_one_bucket_are_one_step() {
    let mut call = Call::default();
    let hot = vec![(0, 1, 1, EntryMode::Enforce)];
    let tickets: Vec<_> = (0..1_000).map(|_| add(&mut call, &hot).unwrap()).collect();
    assert_eq!((call.steps.len(), call.keys().len()), (1, 1));
    let answer =
        call.read(&answer(&call, &tickets.iter().map(|t| (hot.clone(), *t)).collect::<Vec<_>>()));
    let answer = answer.unwrap();
    let admitted = tickets.iter().filter(|ticket| call.verdicts(**ticket, &answer).allowed());
    assert_eq!(admitted.count(), 7);
    let full = QUOTAS[0].tolerance();
    assert_eq!(call.refused(&answer).map(|(_, debt)| debt).collect::<Vec<_>>(), [full]);
}

#[test]
fn a_command_between_equal_requests_parts_them() {
    let mut call = Call::default();
    let check = vec![(0, 1, 1, EntryMode::Enforce)];
    let other = vec![(0, 2, 1, EntryMode::Enforce)];
    let reset = vec![(0, 1, 0, EntryMode::Reset)];
    for (request, step, turn) in [
        (&check, 0, 0),
        (&other, 1, 0),
        (&check, 0, 1),
        (&reset, 2, 0),
        (&reset, 3, 0),
        (&check, 4, 0),
    ] {
        assert_eq!(add(&mut call, request), Some(Ticket { step, turn }));
    }
}

#[test]
fn a_lone_request_is_sent_in_decimal_digits() {
    let mut call = Call::default();
    add(&mut call, &vec![(0, 1, 3, EntryMode::Enforce)]).unwrap();
    let arguments = call.arguments(None);
    assert_eq!(arguments, [&b"1500000000"[..], b"3500000000"]);
    let arguments = call.arguments(Some(Mono::from_nanos(7_000_000_005)));
    assert_eq!(arguments, [&b"1500000000"[..], b"3500000000", b"7", b"5"]);
    add(&mut call, &vec![(0, 2, 3, EntryMode::Enforce)]).unwrap();
    let numbers = wire::read(&call.arguments(None)[0]).unwrap();
    let rule = [0.0, 1.5e9, 3.5e9];
    let steps = [1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 2.0, 4.0];
    assert_eq!(numbers, [&[-1.0, 0.0, 7.0], &rule[..], &steps].concat());
}

#[test]
fn a_hold_is_as_young_as_the_server_says_and_its_end_brings_that_back() {
    let mut call = Call::default();
    let ticket = add(&mut call, &vec![(0, 1, 2, HOLDS)]).unwrap();
    let answer = call.read(&answer(&call, &[(vec![(0, 1, 2, HOLDS)], ticket)])).unwrap();
    let receipt = call.verdicts(ticket, &answer).receipt();
    assert_eq!(receipt.at, Mono::from_nanos(1_790_000_000_000_005_003));

    let settled = crate::Settled {
        policy: "a",
        key: question((0, 1, 2, HOLDS)).key,
        held_under: QUOTAS[0],
        quota: QUOTAS[0],
        cost: 2,
        charged: 1,
    };
    let mut call = Call::default();
    call.settle(Ending::new(&settled, receipt.at, &Names::test())).unwrap();
    let numbers = wire::read(&call.arguments(None)[0]).unwrap();
    let (seconds, nanos) = (1_790_000_000.0, 5_003.0);
    assert_eq!(numbers, [-1.0, 0.0, 4.0, 0.0, 1.0, 3.5e9, 1e9, 0.5e9, seconds, nanos]);
}

#[test]
fn an_answer_to_another_call_is_not_read() {
    let mut call = Call::default();
    add(&mut call, &vec![(0, 1, 1, EntryMode::Enforce)]).unwrap();
    for numbers in [
        &[][..],
        &[1.0],
        &[1.0, 2.0],
        &[1.0, 2.0, 3.0, 4.0],
        &[1.0, 2.0, -3.0],
        &[1.0, 2.0, f64::NAN],
    ] {
        let mut to = wire::Writer::default();
        numbers.iter().for_each(|number| to.number(*number));
        assert!(call.read(&to.finish()).is_none(), "{numbers:?}");
    }
    assert!(call.read(b"").is_none());
}

#[test]
fn a_price_above_every_bucket_never_fits_and_a_call_is_bounded() {
    let quota = Quota::new(1, Quota::MAX_INTERVAL).unwrap().burst(u32::MAX);
    let question = Question::new(0, Digest::from_bits(64), quota, u32::MAX, EntryMode::Enforce);
    assert_eq!(Rule::new(&question).fits(0.0), 0.0);
    let mut call = Call::default();
    let costs = (0..)
        .take_while(|cost| add(&mut call, &vec![(0, 1, cost % 40, EntryMode::Enforce)]).is_some());
    assert_eq!(costs.count(), MOST_STEPS);
}
