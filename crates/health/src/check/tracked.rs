//! What a check found, shared with the probes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    codes::Codes,
    state::{State, Status, Thresholds},
};

/// The state of a check, written by the supervisor and read by probes.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) name: Arc<str>,
    pub(crate) gates_readiness: bool,
    pub(crate) gates_startup: bool,
    /// The indices of the checks that this one depends on, directly or not.
    pub(crate) ancestors: Box<[usize]>,
    thresholds: Thresholds,
    /// A packed [`State`].
    word: AtomicU64,
    /// Whether the check has passed once.
    passed: AtomicBool,
    /// 0, or one more than the second in which the overdue run started.
    overdue_since: AtomicU64,
    codes: Codes,
}

impl Tracked {
    /// The state of a check that has not run, and gates nothing.
    pub(super) fn new(name: Arc<str>, thresholds: Thresholds, ancestors: Box<[usize]>) -> Self {
        Self {
            name,
            gates_readiness: false,
            gates_startup: false,
            ancestors,
            thresholds,
            word: AtomicU64::new(State::START.pack()),
            passed: AtomicBool::new(false),
            overdue_since: AtomicU64::new(0),
            codes: Codes::default(),
        }
    }

    pub(crate) fn state(&self) -> State {
        State::unpack(self.word.load(Ordering::Acquire))
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Acquire)
    }

    /// The second in which the overdue run started, if there is one.
    pub(crate) fn overdue_since(&self) -> Option<u64> {
        self.overdue_since.load(Ordering::Acquire).checked_sub(1)
    }

    pub(crate) fn set_overdue_since(&self, second: Option<u64>) {
        let word = second.map_or(0, |second| second.saturating_add(1));
        self.overdue_since.store(word, Ordering::Release);
    }

    /// The code of the last failure, if the state still holds it.
    pub(crate) fn code(&self, state: State) -> Option<&'static str> {
        self.codes.code(state.code)
    }

    /// Records one result and returns the states before and after it. Only the supervisor calls
    /// this: with a single writer, a load followed by a store loses no update.
    pub(crate) fn record(
        &self,
        result: Result<(), &'static str>,
        took: Duration,
        now: u32,
    ) -> (State, State) {
        let before = self.state();
        let result = result.map_err(|code| self.codes.number(code));
        let took_ms = u16::try_from(took.as_millis()).unwrap_or(u16::MAX);
        let after = before.after(self.thresholds, result, took_ms, now);
        if after.status == Status::Up {
            self.passed.store(true, Ordering::Release);
        }
        self.word.store(after.pack(), Ordering::Release);
        (before, after)
    }
}
