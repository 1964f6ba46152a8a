//! The state machine of a check. Pure: takes results and seconds, returns one word.

/// The status of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The check has neither passed once nor failed often enough.
    Unknown,
    Up,
    Down,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The numbers of results in a row that change the status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    pub(crate) fail_after: u8,
    pub(crate) recover_after: u8,
}

/// The number of a failure code in a check's [`Codes`](super::codes::Codes). 0 means no code.
pub(crate) type CodeIndex = u8;

/// The state of one check, as probes read it. It fits into one word, so that a reader never sees
/// half of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// The number of results in a row that contradict the status.
    pub(crate) streak: u8,
    /// The code of the last failure. Cleared once the status is up and the last run passed.
    pub(crate) code: CodeIndex,
    /// The duration of the last run in milliseconds, saturating.
    pub(crate) took_ms: u16,
    /// The time of the last status change, in seconds of the board's clock.
    pub(crate) since: u32,
}

impl State {
    /// The state before the first result.
    pub(crate) const START: Self =
        Self { status: Status::Unknown, streak: 0, code: 0, took_ms: 0, since: 0 };

    /// The state after one more result.
    ///
    /// An unknown check is up after its first pass, regardless of `recover_after`.
    pub(crate) fn after(
        self,
        thresholds: Thresholds,
        result: Result<(), CodeIndex>,
        took_ms: u16,
        now: u32,
    ) -> Self {
        let against = self.streak.saturating_add(1);
        let next = Self { took_ms, ..self };
        match (self.status, result) {
            (Status::Up, Ok(())) => Self { streak: 0, code: 0, ..next },
            (Status::Unknown, Ok(())) => next.turn(Status::Up, 0, now),
            (Status::Down, Ok(())) if against >= thresholds.recover_after => {
                next.turn(Status::Up, 0, now)
            }
            (Status::Down, Ok(())) => Self { streak: against, ..next },
            (Status::Down, Err(code)) => Self { streak: 0, code, ..next },
            (Status::Unknown | Status::Up, Err(code)) if against >= thresholds.fail_after => {
                next.turn(Status::Down, code, now)
            }
            (Status::Unknown | Status::Up, Err(code)) => Self { streak: against, code, ..next },
        }
    }

    const fn turn(self, status: Status, code: CodeIndex, since: u32) -> Self {
        Self { status, streak: 0, code, since, ..self }
    }

    pub(crate) const fn pack(self) -> u64 {
        let status = match self.status {
            Status::Unknown => 0,
            Status::Up => 1,
            Status::Down => 2,
        };
        let [took_high, took_low] = self.took_ms.to_be_bytes();
        let [a, b, c, d] = self.since.to_be_bytes();
        // The code is below 16 (see `Codes`) and the status below 4, so they share a byte.
        u64::from_be_bytes([
            (status << 4) | (self.code & 0x0f),
            self.streak,
            took_high,
            took_low,
            a,
            b,
            c,
            d,
        ])
    }

    pub(crate) const fn unpack(word: u64) -> Self {
        let [head, streak, took_high, took_low, a, b, c, d] = word.to_be_bytes();
        Self {
            status: match head >> 4 {
                1 => Status::Up,
                2 => Status::Down,
                _ => Status::Unknown,
            },
            streak,
            code: head & 0x0f,
            took_ms: u16::from_be_bytes([took_high, took_low]),
            since: u32::from_be_bytes([a, b, c, d]),
        }
    }
}
