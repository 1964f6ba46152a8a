//! The names that a line already has.

use std::ops::Range;

/// The names reserved by every line. A field of the same name gets a prefix.
const RESERVED: [&str; 7] =
    ["timestamp", "level", "message", "target", "service", "version", "environment"];

/// Names as they are written, by their positions in the text of the line.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// A bit for each name, so that a name whose bit is missing needs no comparison.
    seen: u128,
    ranges: Vec<Range<usize>>,
}

impl Names {
    /// Forgets the names of the last line.
    pub(super) fn clear(&mut self) {
        self.seen = const {
            let mut all = 0;
            let mut index = 0;
            while index < RESERVED.len() {
                all |= Mark::of(RESERVED[index]).0;
                index += 1;
            }
            all
        };
        self.ranges.clear();
    }

    /// Whether this line, or every line, has a field of this name.
    pub(super) fn contain(&self, mark: Mark, name: &str, line: &str) -> bool {
        self.seen & mark.0 != 0 && (is_reserved(name) || self.find(name, line))
    }

    /// Adds the name at this position of the line.
    pub(super) fn add(&mut self, mark: Mark, place: Range<usize>) {
        self.seen |= mark.0;
        self.ranges.push(place);
    }

    fn find(&self, name: &str, line: &str) -> bool {
        let same = |range: &Range<usize>| line.get(range.clone()) == Some(name);
        self.ranges.iter().any(|range| range.len() == name.len() && same(range))
    }
}

/// The name of a field as the lines of one place in the code show it.
#[derive(Debug)]
pub(super) struct WrittenName {
    /// The name and what surrounds it: `,"name":`, or ` name=` for people.
    pub(super) text: Box<str>,
    /// The position of the name in the text.
    pub(super) name: Range<usize>,
    pub(super) mark: Mark,
}

/// Whether every line has a field of this name.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The bit of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u128);

impl Mark {
    pub(super) const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let length = bytes.len();
        if length == 0 {
            return Self(1);
        }
        let [first, middle, last] = [bytes[0], bytes[length / 2], bytes[length - 1]];
        let sum = length * 7 + first as usize * 5 + middle as usize * 3 + last as usize;
        Self(1 << (sum % 128))
    }
}
