//! Whether a token is revoked, by the numbers that a store keeps. Pure.

use crate::RevocationState;

impl RevocationState {
    /// The state of a token that was minted at `epoch`, and whose session and `jti` are not revoked.
    ///
    /// `least` is the epoch of the token's subject, if the store has one. `origin` is the one of the
    /// store, and the epoch of all other subjects. A [`FamilyStore`](crate::session::FamilyStore)
    /// answers [`ask`](crate::session::FamilyStore::ask) with it, and takes a family whose epoch is
    /// not [`Live`](Self::Live) for over.
    ///
    /// ```
    /// use hardpoint_auth::RevocationState;
    ///
    /// let judged = |least| RevocationState::by_epoch(Some(7), least, 5);
    /// assert!(matches!(judged(Some(7)), RevocationState::Live));
    /// assert!(matches!(judged(Some(8)), RevocationState::Revoked));
    /// // The store forgot the epoch of the subject.
    /// assert!(matches!(judged(None), RevocationState::Unknown));
    /// ```
    #[must_use]
    pub fn by_epoch(epoch: Option<u64>, least: Option<u64>, origin: u64) -> Self {
        judge(epoch, least, Some(origin))
    }
}

/// Judges a token that was minted at this epoch.
///
/// `least` is the epoch of its subject, if the store has one, and `origin` is the epoch of all other
/// subjects, if it is known. A subject has an epoch of its own only after all its sessions were
/// revoked, and then for as long as a token with it may be valid.
pub(super) fn judge(
    epoch: Option<u64>,
    least: Option<u64>,
    origin: Option<u64>,
) -> RevocationState {
    match (epoch, least, origin) {
        // A token without an epoch is older than every revocation of its subject.
        (None, Some(_), _) => RevocationState::Revoked,
        (None, None, _) => RevocationState::Live,
        // The store has lost its state since: the session is gone as well.
        (Some(epoch), _, Some(origin)) if epoch < origin => RevocationState::Revoked,
        (Some(epoch), Some(least), _) if epoch < least => RevocationState::Revoked,
        // A newer epoch than ours was minted by an instance that is ahead of us.
        (Some(_), Some(_), _) => RevocationState::Live,
        (Some(_), None, None) => RevocationState::Unknown,
        (Some(epoch), None, Some(origin)) if epoch == origin => RevocationState::Live,
        // All sessions of the subject were revoked, and the store has forgotten when.
        (Some(_), None, Some(_)) => RevocationState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use super::*;

    #[test]
    fn an_epoch_is_compared_with_the_subjects_own_or_with_the_origin() {
        use RevocationState::{Live, Revoked, Unknown};

        let assert_judged = |epoch, least, origin, expected: RevocationState| {
            let judged = judge(epoch, least, origin);
            let same = discriminant(&judged) == discriminant(&expected);
            assert!(same, "{epoch:?} {least:?} {origin:?}");
        };

        let origin = Some(1_000);
        for (epoch, least, expected) in [
            (None, None, Live),
            (None, Some(2_000), Revoked),
            (Some(1_000), None, Live),
            (Some(999), None, Revoked),
            (Some(1_001), None, Unknown),
            (Some(1_999), Some(2_000), Revoked),
            (Some(2_000), Some(2_000), Live),
            (Some(2_001), Some(2_000), Live),
            // What was recorded before the store lost its state.
            (Some(900), Some(900), Revoked),
        ] {
            assert_judged(epoch, least, origin, expected);
        }
        // Before the first synchronisation: only the known is known.
        assert_judged(Some(1_000), None, None, Unknown);
        assert_judged(Some(1_000), Some(1_001), None, Revoked);
    }
}
