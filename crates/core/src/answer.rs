//! What a store on the hot path returns.

/// An answer that is there now, or a future that will bring it.
///
/// A store in memory always answers [`Now`](Self::Now), so that the layer calls its ready inner
/// service directly: no future is made and nothing is allocated. A remote store answers
/// [`Later`](Self::Later).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an answer that is dropped was asked for nothing"]
pub enum Answer<T, F> {
    /// The answer itself.
    Now(T),
    /// A future that resolves to the answer.
    Later(F),
}

impl<F> Answer<F::Output, F>
where
    F: Future,
{
    /// Resolves to the answer, waiting only if it is not there yet.
    pub async fn resolve(self) -> F::Output {
        match self {
            Self::Now(answer) => answer,
            Self::Later(pending) => pending.await,
        }
    }
}
