//! The failure codes of one check, numbered in order of appearance.

use std::sync::OnceLock;

use super::state::CodeIndex;

/// Numbers the codes of one check, so that a code fits into the check's word.
///
/// One task writes; any number of probes read without a lock.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    slots: [OnceLock<&'static str>; Self::SLOTS],
}

impl Codes {
    /// The number of codes that one check can distinguish.
    pub(crate) const SLOTS: usize = 14;
    /// The shared number of all codes that appear after the slots are taken.
    const OTHER: CodeIndex = 15;

    /// The number of `code`, from 1.
    pub(crate) fn number(&self, code: &'static str) -> CodeIndex {
        (1..)
            .zip(&self.slots)
            .find(|(_, slot)| *slot.get_or_init(|| code) == code)
            .map_or(Self::OTHER, |(number, _)| number)
    }

    /// The code with this number.
    pub(crate) fn code(&self, number: CodeIndex) -> Option<&'static str> {
        if number == Self::OTHER {
            return Some("other");
        }
        let index = usize::from(number).checked_sub(1)?;
        self.slots.get(index)?.get().copied()
    }
}
