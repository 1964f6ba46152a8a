//! Delivery off the path of requests.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use hardpoint_core::{
    Telemetry,
    event::{DeliveryResult, MessageDelivered},
};
use tokio::sync::{Semaphore, watch};

use super::{Delivery, DeliveryErrorKind, Message, OneTimeError};

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
///    recipients alike. A job that takes longer than the [`timeout`](CourierBuilder::timeout) is given
///    up.
/// 2. A delivery that fails transiently, or takes longer than its
///    [`timeout`](CourierBuilder::timeout), is repeated twice, after 1 s and 4 s.
/// 3. A message that was not delivered is counted and logged without its address.
///
/// # Cancellation
/// Jobs run in tasks of their own. [`flush`](Self::flush) waits for them: call it while draining.
/// The end of the runtime loses the remaining jobs, and their users have to request another
/// message.
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
    at_once: u32,
    timeout: Duration,
    pauses: [Duration; 2],
    telemetry: OnceLock<Telemetry>,
}

debug_only!(Inner { queue, at_once, timeout });
debug_only!(Courier { inner });

/// Sets up a [`Courier`].
///
/// Defaults: 1,000 jobs of which 8 run at once, 30 s for a delivery, no observer.
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
    pub fn at_once(mut self, jobs: u32) -> Self {
        self.inner.at_once = jobs.clamp(1, 1_000);
        self
    }

    /// How long one delivery may take, and the job that prepares it. Default: 30 s; a server that suspects spam answers slowly.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.inner.timeout = timeout;
        self
    }

    /// Reports every message to this observer. Default: to none.
    pub fn telemetry(self, telemetry: &Telemetry) -> Self {
        telemetry.fill(&self.inner.telemetry);
        self
    }

    /// The courier.
    #[must_use]
    pub fn build(self) -> Courier {
        let running = Semaphore::new(usize::try_from(self.inner.at_once).unwrap_or(1_000));
        Courier { inner: Arc::new(Inner { running, ..self.inner }) }
    }
}

impl Courier {
    /// Delivers with `delivery`.
    pub fn builder(delivery: impl Delivery) -> CourierBuilder {
        CourierBuilder {
            inner: Inner {
                delivery: Box::new(delivery),
                jobs: watch::Sender::new(0),
                running: Semaphore::new(0),
                queue: 1_000,
                at_once: 8,
                timeout: Duration::from_secs(30),
                pauses: [Duration::from_secs(1), Duration::from_secs(4)],
                telemetry: OnceLock::new(),
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
            let inner = &place.inner;
            // The semaphore is never closed.
            let _turn = inner.running.acquire().await;
            match tokio::time::timeout(inner.timeout, job).await {
                Ok(Some(message)) => inner.deliver(&message).await,
                Ok(None) => {}
                Err(_elapsed) => inner.failed("the job took too long"),
            }
        });
        Ok(())
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
    async fn deliver(&self, message: &Message) {
        let mut pauses = self.pauses.iter();
        loop {
            let delivered = tokio::time::timeout(self.timeout, self.delivery.deliver(message));
            let (is_transient, cause) = match delivered.await {
                Ok(Ok(())) => return self.report(DeliveryResult::Sent),
                Ok(Err(error)) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    (error.kind() == DeliveryErrorKind::Transient, cause.unwrap_or_default())
                }
                Err(_elapsed) => (true, "the delivery took too long".to_owned()),
            };
            match pauses.next().filter(|_| is_transient) {
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
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.on(&MessageDelivered::new(result).into());
        }
    }
}
