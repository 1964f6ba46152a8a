//! Delivery off the path of requests.

use std::{sync::Arc, time::Duration};

use hardpoint_core::{
    Telemetry,
    event::{DeliveryResult, MessageDelivered},
};
use tokio::sync::{Semaphore, watch};

use super::{Delivery, Message, OneTimeError};

/// Prepares and delivers messages in the background, within bounds.
///
/// A request submits a job and is answered at once. The job looks up the recipient, makes the token
/// and returns the message, or `None` if it has nothing to send. So the response time does not
/// depend on whether the recipient is known.
///
/// ```
/// use hardpoint_auth::one_time::{ConsoleDelivery, Courier, Message};
/// use hardpoint_core::Secret;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let courier = Courier::builder(ConsoleDelivery).build();
/// let account = Some("alice@example.org"); // looked up in the job
/// courier.submit(async move {
///     let text = Secret::from("Open https://app.example/password-reset#token=..");
///     Some(Message::new(account?, "Reset your password".to_owned(), text))
/// })?;
/// courier.flush().await;
/// # Ok(())
/// # }
/// ```
///
/// # Semantics
/// 1. At most [`queue`](CourierBuilder::queue) jobs exist at a time, of which
///    [`at_once`](CourierBuilder::at_once) run. Beyond it every job is refused, for known and unknown
///    recipients alike.
/// 2. A job begins 100 to 300 ms after it was submitted. By then the response is written, so the
///    work for a known recipient does not delay it.
/// 3. A delivery that fails transiently, or takes longer than its
///    [`timeout`](CourierBuilder::timeout), is repeated twice, after 1 s and 4 s. After
///    [`give_up_after`](CourierBuilder::give_up_after) the job ends, with or without a delivery.
/// 4. A message that was not delivered is counted and logged without its address.
///
/// # Cancellation
/// Jobs run in tasks of their own. [`flush`](Self::flush) waits for them: call it while draining, for
/// as long as the drain allows. The end of the runtime loses the [remaining](Self::remaining) jobs, and
/// their users have to request another message.
#[derive(Clone)]
pub struct Courier {
    inner: Arc<Inner>,
}

struct Inner {
    delivery: Box<dyn Delivery>,
    /// The number of jobs.
    jobs: watch::Sender<u32>,
    /// A permit for each job that may run.
    running: Semaphore,
    queue: u32,
    timeout: Duration,
    give_up_after: Duration,
    pauses: [Duration; 2],
    telemetry: Telemetry,
}

debug_only!(Inner { queue, running, timeout, give_up_after });
debug_only!(Courier { inner });

/// Sets up a [`Courier`].
///
/// Defaults: 1,000 jobs of which 8 run at once, 30 s for a delivery and 45 s for a job with all of its
/// deliveries, no observer.
#[must_use]
pub struct CourierBuilder {
    inner: Inner,
}

debug_only!(CourierBuilder { inner });

impl CourierBuilder {
    /// How many jobs may exist. Default: 1,000, which take a few MB. Further requests are refused
    /// with 503. The minimum is 1, the maximum 1,000,000.
    pub fn queue(mut self, jobs: u32) -> Self {
        self.inner.queue = jobs.clamp(1, 1_000_000);
        self
    }

    /// How many jobs run at once. Default: 8, which does not overload a server for outgoing mail.
    /// The minimum is 1, the maximum 1,000.
    pub fn at_once(mut self, jobs: usize) -> Self {
        self.inner.running = Semaphore::new(jobs.clamp(1, 1_000));
        self
    }

    /// How long one delivery may take, and the job that prepares it. Default: 30 s; a server that
    /// suspects spam answers slowly.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.inner.timeout = timeout;
        self
    }

    /// How long a running job may take in all: the preparation, the deliveries and the pauses between
    /// them. Default: 45 s, which leaves time for a second delivery after one that took 30 s. While a
    /// server does not answer, a queue of 1,000 jobs, 8 at once, empties in 94 minutes; a longer time
    /// delays the jobs in the queue further.
    pub const fn give_up_after(mut self, time: Duration) -> Self {
        self.inner.give_up_after = time;
        self
    }

    /// Reports every message to this observer. Default: to none.
    pub fn telemetry(mut self, telemetry: &Telemetry) -> Self {
        self.inner.telemetry = telemetry.clone();
        self
    }

    /// The courier.
    #[must_use]
    pub fn build(self) -> Courier {
        Courier { inner: Arc::new(self.inner) }
    }
}

impl Courier {
    /// Delivers with `delivery`.
    pub fn builder(delivery: impl Delivery) -> CourierBuilder {
        CourierBuilder {
            inner: Inner {
                delivery: Box::new(delivery),
                jobs: watch::Sender::new(0),
                running: Semaphore::new(8),
                queue: 1_000,
                timeout: Duration::from_secs(30),
                give_up_after: Duration::from_secs(45),
                pauses: [Duration::from_secs(1), Duration::from_secs(4)],
                telemetry: Telemetry::none(),
            },
        }
    }

    /// Runs a job in the background, and delivers its message. Submit one for every request, even
    /// if you already know that it has nothing to send.
    ///
    /// # Errors
    /// [`OneTimeError::QueueFull`] if too many jobs are waiting.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn submit(
        &self,
        job: impl Future<Output = Option<Message>> + Send + 'static,
    ) -> Result<(), OneTimeError> {
        let Some(place) = Place::take(&self.inner) else {
            self.inner.report(DeliveryResult::Dropped);
            return Err(OneTimeError::QueueFull);
        };
        tokio::spawn(async move {
            tokio::time::sleep(pause()).await;
            let inner = &place.inner;
            // The semaphore is never closed.
            let _turn = inner.running.acquire().await;
            if tokio::time::timeout(inner.give_up_after, inner.run(job)).await.is_err() {
                inner.failed("the job took too long");
            }
        });
        Ok(())
    }

    /// How many jobs wait or run.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        *self.inner.jobs.borrow()
    }

    /// Waits until no job is left. Further jobs may be submitted meanwhile.
    pub async fn flush(&self) {
        // The sender is in `self`, so this ends with such a moment only.
        let mut jobs = self.inner.jobs.subscribe();
        let _closed = jobs.wait_for(|jobs| *jobs == 0).await.map(drop);
    }
}

/// The place of a job, which a job that panics leaves too.
struct Place {
    inner: Arc<Inner>,
}

impl Place {
    fn take(inner: &Arc<Inner>) -> Option<Self> {
        let is_taken = inner.jobs.send_if_modified(|jobs| {
            let has_room = *jobs < inner.queue;
            *jobs += u32::from(has_room);
            has_room
        });
        is_taken.then(|| Self { inner: Arc::clone(inner) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.jobs.send_modify(|jobs| *jobs = jobs.saturating_sub(1));
    }
}

impl Inner {
    async fn run(&self, job: impl Future<Output = Option<Message>>) {
        match tokio::time::timeout(self.timeout, job).await {
            Ok(Some(message)) => self.deliver(&message).await,
            Ok(None) => {}
            Err(_elapsed) => self.failed("the job took too long"),
        }
    }

    async fn deliver(&self, message: &Message) {
        let mut pauses = self.pauses.iter();
        loop {
            let delivered = tokio::time::timeout(self.timeout, self.delivery.deliver(message));
            let (cause, is_permanent) = match delivered.await {
                Ok(Ok(())) => return self.report(DeliveryResult::Sent),
                Ok(Err(error)) => (error.cause(), error.is_permanent()),
                Err(_elapsed) => ("the delivery took too long".to_owned(), false),
            };
            match pauses.next().filter(|_| !is_permanent) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return self.failed(&cause),
            }
        }
    }

    fn failed(&self, cause: &str) {
        tracing::warn!(target: "hardpoint::auth::one_time", cause, "a message was not delivered");
        self.report(DeliveryResult::Failed);
    }

    fn report(&self, result: DeliveryResult) {
        self.telemetry.on(&MessageDelivered::new(result).into());
    }
}

/// The time between a submission and its job: long enough for the response to be written, and random, so
/// that a client cannot time another request to meet the job.
fn pause() -> Duration {
    const LEAST: u32 = 100;
    const SPREAD: u32 = 200;
    let random = getrandom::u32().unwrap_or_default() % (SPREAD + 1);
    Duration::from_millis(u64::from(LEAST + random))
}
