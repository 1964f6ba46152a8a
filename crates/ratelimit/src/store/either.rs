//! One of two stores, chosen when the program starts.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_core::{Answer, Key};
use pin_project_lite::pin_project;

use super::{Batch, Digest, Entry, Store, StoreError, Verdict, Verdicts};
use crate::ConfigError;

/// One of two stores: memory in development and a shared one in production, say.
#[derive(Clone, Debug)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

impl<A: Store, B: Store> Store for Either<A, B> {
    type Pending = EitherPending<A::Pending, B::Pending>;

    fn digest(&self, key: &Key<'_>) -> Digest {
        match self {
            Self::Left(store) => store.digest(key),
            Self::Right(store) => store.digest(key),
        }
    }

    fn decide(&self, batch: &Batch) -> Answer<Result<Verdicts, StoreError>, Self::Pending> {
        match self {
            Self::Left(store) => left(store.decide(batch)),
            Self::Right(store) => right(store.decide(batch)),
        }
    }

    fn decide_one(&self, entry: &Entry) -> Answer<Result<Verdict, StoreError>, Self::Pending> {
        match self {
            Self::Left(store) => left(store.decide_one(entry)),
            Self::Right(store) => right(store.decide_one(entry)),
        }
    }

    fn unix(&self) -> Duration {
        match self {
            Self::Left(store) => store.unix(),
            Self::Right(store) => store.unix(),
        }
    }

    fn prepare(&self, policies: usize) -> Result<(), ConfigError> {
        match self {
            Self::Left(store) => store.prepare(policies),
            Self::Right(store) => store.prepare(policies),
        }
    }
}

fn left<T, A, B>(answer: Answer<T, A>) -> Answer<T, EitherPending<A, B>> {
    match answer {
        Answer::Now(answer) => Answer::Now(answer),
        Answer::Later(pending) => Answer::Later(EitherPending { side: Side::Left { pending } }),
    }
}

fn right<T, A, B>(answer: Answer<T, B>) -> Answer<T, EitherPending<A, B>> {
    match answer {
        Answer::Now(answer) => Answer::Now(answer),
        Answer::Later(pending) => Answer::Later(EitherPending { side: Side::Right { pending } }),
    }
}

pin_project! {
    /// The pending answer of [`Either`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct EitherPending<A, B> {
        #[pin]
        side: Side<A, B>,
    }
}

pin_project! {
    #[project = SideProject]
    #[derive(Debug)]
    enum Side<A, B> {
        Left { #[pin] pending: A },
        Right { #[pin] pending: B },
    }
}

impl<A, B> Future for EitherPending<A, B>
where
    A: Future,
    B: Future<Output = A::Output>,
{
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        match self.project().side.project() {
            SideProject::Left { pending } => pending.poll(cx),
            SideProject::Right { pending } => pending.poll(cx),
        }
    }
}
