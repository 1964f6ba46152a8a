use super::*;

const LIMITS: PatienceLimits = PatienceLimits {
    http2: false,
    head: secs(10),
    write: secs(30),
    idle: secs(76),
    goaway_grace: Duration::from_millis(250),
};
const HTTP2: PatienceLimits = PatienceLimits { http2: true, ..LIMITS };
const QUIET: Seen = Seen {
    in_flight: false,
    on_client: false,
    unread: false,
    sent: 0,
    served: false,
    fed: false,
    blocked: false,
    drained: false,
};
const HEAD: Seen = Seen { fed: true, ..QUIET };
const WORK: Seen = Seen { in_flight: true, ..QUIET };
const STOP: Stop = Stop { settle_until: secs(101), client_until: secs(110) };
/// When the server stops.
const STOPPED: Duration = secs(100);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Judges at every time that a judgement names, until the connection closes.
fn lives(
    patience: &mut Patience,
    mut now: Duration,
    seen: Seen,
    stop: Option<Stop>,
) -> (Duration, Option<Cause>) {
    for _ in 0..1_000 {
        match patience.judge(now, seen, stop) {
            Next::Close(cause) => return (now, cause),
            Next::ShutDown => {}
            Next::Wait(until) => {
                assert!(until > now, "{until:?}");
                now = until;
            }
        }
    }
    panic!("still open at {now:?}");
}

#[test]
fn a_head_has_its_time_from_its_first_byte_on() {
    let mut patience = Patience::new(LIMITS, secs(3));
    assert_eq!(lives(&mut patience, secs(5), HEAD, None), (secs(13), Some(Cause::Head)));
}

#[test]
fn a_second_head_has_its_time_too() {
    let mut patience = Patience::new(LIMITS, secs(0));
    patience.judge(secs(1), Seen { served: true, ..WORK }, None);
    patience.judge(secs(2), QUIET, None);
    assert_eq!(lives(&mut patience, secs(50), HEAD, None), (secs(60), Some(Cause::Head)));
}

#[test]
fn an_idle_connection_closes_without_blame() {
    let mut patience = Patience::new(LIMITS, secs(0));
    patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
    assert_eq!(lives(&mut patience, secs(2), QUIET, None), (secs(77), None));
}

#[test]
fn a_head_that_arrives_at_the_end_of_the_idle_time_has_its_own_time() {
    let mut patience = Patience::new(LIMITS, secs(0));
    patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
    assert_eq!(lives(&mut patience, secs(76), HEAD, None), (secs(86), Some(Cause::Head)));
}

#[test]
fn no_idle_time_waits_between_two_looks() {
    let limits = PatienceLimits { idle: secs(0), ..LIMITS };
    let mut patience = Patience::new(limits, secs(0));
    assert_eq!(patience.judge(secs(5), WORK, None), Next::Wait(secs(6)));
    let mut patience = Patience { shut_down: Some(STOPPED), ..patience };
    assert_eq!(patience.judge(secs(111), WORK, Some(STOP)), Next::Wait(secs(112)));
}

#[test]
fn a_shut_window_blocks_http_2_and_pings_do_not_open_it() {
    let unread = |sent| Seen { on_client: true, unread: true, sent, ..WORK };
    let mut patience = Patience::new(HTTP2, secs(0));
    patience.judge(secs(1), unread(5_000), None);
    assert!(!patience.is_calm(unread(5_000)));
    // Pings.
    patience.judge(secs(20), Seen { drained: true, ..unread(5_034) }, None);
    assert_eq!(
        lives(&mut patience.clone(), secs(25), unread(5_034), None),
        (secs(31), Some(Cause::Write))
    );
    // The client takes a part.
    patience.judge(secs(25), unread(7_000), None);
    assert_eq!(lives(&mut patience, secs(26), unread(7_000), None).0, secs(55));
    // HTTP/1 asks for the next part before it writes the last one.
    let mut patience = Patience::new(LIMITS, secs(0));
    patience.judge(secs(1), unread(5_000), None);
    assert!(patience.is_calm(unread(5_000)));
}

#[test]
fn http_2_is_neither_idle_nor_drained_while_it_sends_the_rest_of_a_response() {
    let sends = |sent| Seen { sent, ..QUIET };
    let mut patience = Patience::new(HTTP2, secs(0));
    for second in 1..200_u32 {
        let next = patience.judge(secs(second.into()), sends(second * 1_024), None);
        assert!(matches!(next, Next::Wait(_)), "{second}: {next:?}");
    }
    let sent = 200 * 1_024;
    let mut slow = patience;
    assert_eq!(patience.judge(secs(300), sends(sent), None), Next::Wait(secs(319)));
    assert_eq!(patience.judge(secs(376), sends(sent), None), Next::ShutDown);

    let stop = Stop { settle_until: secs(201), client_until: secs(210) };
    assert_eq!(slow.judge(secs(200), sends(sent), Some(stop)), Next::ShutDown);
    for second in 201..210_u32 {
        let next = slow.judge(secs(second.into()), sends(second * 1_024), Some(stop));
        assert!(matches!(next, Next::Wait(_)), "{second}: {next:?}");
    }
    assert_eq!(slow.judge(secs(210), sends(210 * 1_024), Some(stop)), Next::Close(None));
}

#[test]
fn a_request_that_takes_long_keeps_its_connection() {
    let mut patience = Patience::new(LIMITS, secs(0));
    let mut now = secs(1);
    while now < secs(10_000) {
        let Next::Wait(until) = patience.judge(now, WORK, None) else { panic!("closed") };
        now = until;
    }
    // It is idle from its end on.
    assert_eq!(lives(&mut patience, now, QUIET, None).1, None);
}

#[test]
fn a_client_that_takes_a_byte_has_its_time_again() {
    let mut patience = Patience::new(LIMITS, secs(0));
    let blocked = Seen { blocked: true, ..WORK };
    patience.judge(secs(1), blocked, None);
    patience.judge(secs(20), Seen { drained: true, ..blocked }, None);
    assert_eq!(lives(&mut patience, secs(25), blocked, None), (secs(50), Some(Cause::Write)));
}

#[test]
fn http_2_says_goodbye_before_it_closes_an_idle_connection() {
    let mut patience = Patience::new(HTTP2, secs(0));
    patience.judge(secs(0), Seen { served: true, ..QUIET }, None);
    // Bytes that belong to no head do not matter.
    assert_eq!(patience.judge(secs(40), HEAD, None), Next::Wait(secs(59)));
    assert_eq!(patience.judge(secs(76), HEAD, None), Next::ShutDown);
    let end = secs(76) + Duration::from_millis(250);
    assert_eq!(lives(&mut patience, secs(76), QUIET, None), (end, None));
}

#[test]
fn a_drain_closes_a_quiet_connection_at_once_and_waits_for_an_arriving_head() {
    let mut patience = Patience::new(LIMITS, secs(0));
    patience.judge(secs(1), Seen { served: true, ..QUIET }, None);
    let mut arriving = patience;
    assert_eq!(patience.judge(STOPPED, QUIET, Some(STOP)), Next::Close(None));
    assert_eq!(lives(&mut arriving, STOPPED, HEAD, Some(STOP)), (secs(101), None));
}

#[test]
fn a_head_that_arrives_in_time_is_served_by_a_drain() {
    let mut patience = Patience::new(LIMITS, secs(99));
    assert_eq!(patience.judge(STOPPED, HEAD, Some(STOP)), Next::Wait(secs(101)));
    assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::ShutDown);
    assert!(matches!(patience.judge(STOPPED, WORK, Some(STOP)), Next::Wait(_)));
}

#[test]
fn a_drain_gives_clients_their_share_and_work_its_time() {
    for waits in [Seen { on_client: true, ..WORK }, Seen { blocked: true, ..WORK }] {
        let mut patience = Patience::new(LIMITS, secs(0));
        assert_eq!(lives(&mut patience, STOPPED, waits, Some(STOP)), (secs(110), None));
    }
    let mut patience = Patience::new(LIMITS, secs(0));
    assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::ShutDown);
    assert_eq!(patience.judge(STOPPED, WORK, Some(STOP)), Next::Wait(secs(110)));
    assert!(matches!(patience.judge(secs(111), WORK, Some(STOP)), Next::Wait(_)));
    // The work is done, and only the client is left.
    let waits = Seen { on_client: true, ..WORK };
    assert_eq!(patience.judge(secs(112), waits, Some(STOP)), Next::Close(None));
}

#[test]
fn http_2_closes_after_a_grace_even_if_no_ping_is_answered() {
    let mut patience = Patience::new(HTTP2, secs(0));
    assert_eq!(patience.judge(STOPPED, QUIET, Some(STOP)), Next::ShutDown);
    let end = STOPPED + Duration::from_millis(250);
    assert_eq!(lives(&mut patience, STOPPED, QUIET, Some(STOP)), (end, None));
}

#[test]
fn only_a_plain_connection_is_calm() {
    let mut patience = Patience::new(LIMITS, secs(0));
    assert!(!patience.is_calm(QUIET), "its first head has not been judged");
    patience.judge(secs(0), WORK, None);
    assert!(patience.is_calm(WORK) && patience.is_calm(QUIET));
    assert!(!patience.is_calm(HEAD));
    assert!(patience.is_calm(Seen { fed: true, ..WORK }));
    assert!(!patience.is_calm(Seen { blocked: true, ..WORK }));
}
