//! Without the feature `imported-hashes` no hash of another kind exists: types without values.

use super::{ParseHashError, StoredCeiling, hash::Scheme, work::Work};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Imported {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImportedWork {}

impl Imported {
    pub(super) fn pbkdf2(
        _name: &str,
        _iterations: u32,
        _salt: Vec<u8>,
        _output: Vec<u8>,
    ) -> Result<Self, ParseHashError> {
        Err(ParseHashError::Algorithm)
    }

    pub(super) fn work(&self) -> Work {
        match *self {}
    }

    pub(super) fn matches(&self, _password: &str, _all: &ImportedWork) -> Option<bool> {
        match *self {}
    }
}

impl ImportedWork {
    pub(super) fn made_up(&self) -> Scheme {
        match *self {}
    }

    pub(super) fn is_like(&self, _other: &Self) -> bool {
        match *self {}
    }

    pub(super) fn raise_to(&mut self, _other: &Self) {
        match *self {}
    }

    pub(super) fn is_within(&self, _ceiling: &StoredCeiling) -> bool {
        match *self {}
    }
}
