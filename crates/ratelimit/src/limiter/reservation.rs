//! Cells that are held for work whose cost is not known yet.

use std::fmt;

use super::{Admitted, SettleLater};

/// Cells that are held for work whose cost is not known yet.
///
/// Held cells do not replenish. Dropping the reservation charges all of them: a cancelled caller
/// gains nothing. One that is never dropped becomes charged after [one to two
/// minutes](crate::gcra::HOLD_TIMEOUT).
///
/// ```
/// use hardpoint_core::Key;
/// use hardpoint_ratelimit::{Policy, Quota, RateLimiter, key};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let tokens = Policy::new("tokens", Quota::per_hour(10_000), key::subject()).reservable();
/// let limiter = RateLimiter::builder().policy(tokens).build()?;
/// let tokens = limiter.policy("tokens")?;
/// let alice = Key::borrowed(b"alice");
///
/// let reservation = tokens.reserve(&alice, 4_000).await?;
/// let used = 2_500; // the cost of the model's answer
/// reservation.settle(used);
/// assert_eq!(tokens.check_cost(&alice, 0).await?.remaining(), 7_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping a reservation charges all of it"]
pub struct Reservation {
    held: SettleLater,
    admitted: Admitted,
}

impl Reservation {
    pub(super) const fn new(held: SettleLater, admitted: Admitted) -> Self {
        Self { held, admitted }
    }

    /// What the limiter answered.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        self.admitted
    }

    /// Charges `actual` cells and releases the rest. If `actual` is more than was reserved, the
    /// difference is taken whether or not the key has it.
    ///
    /// A remote store queues the settlement. If it is lost, the estimate stays charged.
    pub fn settle(mut self, actual: u32) {
        self.held.end(|_| actual);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("admitted", &self.admitted).finish_non_exhaustive()
    }
}
