//! When a file is full, and how a full file is named. Pure: it depends only on sizes and times.

use std::time::Duration;

use crate::logs::timestamp::Timestamp;

/// When a new file begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) max_bytes: u64,
    pub(super) every: Option<Duration>,
}

/// How many of the next bytes belong into the current file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// So many.
    Bytes(usize),
    /// None: a new file begins.
    Full,
}

impl Rotation {
    /// The room for `lines` in a file of `size` bytes: whole lines, and a line of any length in a
    /// file that is empty.
    pub(super) fn room(self, size: u64, lines: &[u8]) -> Room {
        let room = usize::try_from(self.max_bytes.saturating_sub(size)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return Room::Bytes(lines.len());
        }
        let last = lines.iter().take(room).rposition(|byte| *byte == b'\n');
        match last {
            Some(last) => Room::Bytes(last + 1),
            None if size > 0 => Room::Full,
            // The beginning of a line that is longer than a file.
            None => {
                let end = lines.iter().position(|byte| *byte == b'\n');
                Room::Bytes(end.map_or(lines.len(), |end| end + 1))
            }
        }
    }

    /// Whether a file of `then` is not the file of `now`. A clock that was set back changes nothing.
    pub(super) fn is_over(self, then: Duration, now: Duration) -> bool {
        let Some(every) = self.every else { return false };
        let period = |at: Duration| at.as_nanos() / every.as_nanos().max(1);
        period(then) < period(now)
    }
}

/// The end of the name of a file that was full at this time. Later ones sort after earlier ones.
pub(super) fn suffix(unix: Duration) -> String {
    let mut text = String::new();
    Timestamp::default().write(unix, &mut text);
    // Not every file system has names with colons.
    text.retain(|char| !matches!(char, '-' | ':'));
    text
}

/// Whether this is the end of a name that [`suffix`] made.
pub(super) fn is_suffix(text: &str) -> bool {
    const SHAPE: &[u8] = b"00000000T000000.000000Z";

    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == *shape,
    };
    text.len() == SHAPE.len() && text.bytes().zip(SHAPE).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_divided_between_files_and_never_within() {
        let rotation = Rotation { max_bytes: 10, every: None };
        for (size, lines, expected) in [
            (0, "1234567\n", Room::Bytes(8)),
            (2, "1234567\n", Room::Bytes(8)),
            (3, "1234567\n", Room::Full),
            (0, "123\n123\n123\n", Room::Bytes(8)),
            (6, "123\n123\n123\n", Room::Bytes(4)),
            (10, "1\n", Room::Full),
            (11, "1\n", Room::Full),
            (0, "123456789012\n1\n", Room::Bytes(13)),
            (1, "123456789012\n1\n", Room::Full),
            (0, "123456789012", Room::Bytes(12)),
            (9, "", Room::Bytes(0)),
        ] {
            assert_eq!(rotation.room(size, lines.as_bytes()), expected, "{size} {lines:?}");
        }
    }

    #[test]
    fn a_period_ends_at_its_multiple() {
        let day = Duration::from_hours(24);
        let rotation = Rotation { max_bytes: 10, every: Some(day) };
        let at = |hours: u64| Duration::from_hours(hours);
        assert!(!rotation.is_over(at(0), at(23)));
        assert!(rotation.is_over(at(23), at(24)));
        assert!(!rotation.is_over(at(24), at(23)), "set back");
        assert!(!Rotation { every: None, ..rotation }.is_over(at(0), at(1_000)));
    }

    #[test]
    fn names_sort_by_time_and_are_recognized() {
        let first = suffix(Duration::from_micros(1_795_877_224_123_456));
        assert_eq!(first, "20261128T144704.123456Z");
        let second = suffix(Duration::from_micros(1_795_877_224_123_457));
        assert!(first < second && is_suffix(&first));
        for other in ["", "gz", "1", "20261128T144704.123456Z.gz", "2026-11-28T14:47:04.12Z"] {
            assert!(!is_suffix(other), "{other}");
        }
    }
}
