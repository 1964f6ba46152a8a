//! The record of a token, and the effect of presenting the token. Pure.

use subtle::ConstantTimeEq;

use super::{Found, Taken};

/// A token, as a store keeps it. Times are milliseconds since 1970 by the clock of the store.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The store finds the token by this. For a code, the store compares its state by this.
    pub digest: [u8; 32],
    /// The store compares this when the token is consumed.
    pub proof: [u8; 32],
    /// The subject and what the application keeps with the token.
    pub found: Found,
    /// When the token expires.
    pub expires_at: u64,
    /// How many wrong codes were tried.
    pub tries: u32,
}

debug_only!(TokenRecord { expires_at, tries });

impl TokenRecord {
    /// Whether this is the token, and is alive.
    #[must_use]
    pub fn is(&self, digest: &[u8; 32], now: u64) -> bool {
        now < self.expires_at && bool::from(self.digest.ct_eq(digest))
    }

    /// Consumes the token: removed unless it is [`Unknown`](Taken::Unknown).
    #[must_use]
    pub fn take(&self, digest: &[u8; 32], proof: &[u8; 32], now: u64) -> Taken {
        match (self.is(digest, now), bool::from(self.proof.ct_eq(proof))) {
            (false, _) => Taken::Unknown,
            (true, false) => Taken::Void,
            (true, true) => Taken::Consumed,
        }
    }

    /// What a code does: removed if it is [`Consumed`](Taken::Consumed) or [`Void`](Taken::Void), which
    /// here means that this was the last try. Otherwise a try is counted, unless the state is another.
    pub fn guess(&mut self, digest: &[u8; 32], proof: &[u8; 32], tries: u32, now: u64) -> Taken {
        if !self.is(digest, now) {
            return Taken::Unknown;
        }
        if bool::from(self.proof.ct_eq(proof)) {
            return Taken::Consumed;
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries >= tries { Taken::Void } else { Taken::Unknown }
    }
}
