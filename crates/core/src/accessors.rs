//! The accessors that every service has.

/// Generates `get_ref`, `get_mut` and `into_inner` inside the `impl<S>` of a service whose field
/// `inner` is an `S`.
#[doc(hidden)]
#[macro_export]
macro_rules! inner_accessors {
    () => {
        /// A reference to the inner service.
        #[must_use]
        pub fn get_ref(&self) -> &S {
            &self.inner
        }

        /// A mutable reference to the inner service.
        pub fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// Unwraps the inner service.
        #[must_use]
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}
