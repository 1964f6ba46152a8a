//! Messages to users, and the trait that delivers them.

use std::{error::Error, pin::Pin};

use hardpoint_core::Secret;

/// A message to a user. `Debug` hides it, because it contains an address and usually a token.
pub struct Message {
    to: Secret<str>,
    subject: String,
    text: Secret<str>,
}

debug_only!(Message {});

impl Message {
    /// A message to an address. Its text may contain a token.
    #[must_use]
    pub fn new(to: impl Into<Secret<str>>, subject: String, text: Secret<str>) -> Self {
        Self { to: to.into(), subject, text }
    }

    /// The address.
    #[must_use]
    pub fn to(&self) -> &str {
        self.to.expose()
    }

    /// The subject line.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.expose()
    }
}

/// The future that a delivery returns.
pub type DeliveryFuture<'a> = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + 'a>>;

/// Delivers messages: to a server for outgoing mail, to a provider's interface, to a telephone.
///
/// [`Courier`](super::Courier) calls it, off the path of requests and with a timeout.
pub trait Delivery: Send + Sync + 'static {
    /// Hands a message over.
    fn deliver<'a>(&'a self, message: &'a Message) -> DeliveryFuture<'a>;
}

/// A message was not delivered. The cause is logged, so it must not name the address.
#[derive(Debug, thiserror::Error)]
#[error("the message was not delivered")]
pub struct DeliveryError {
    is_permanent: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl DeliveryError {
    /// The message or its address was refused, for this reason: a retry does not help.
    #[must_use]
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_permanent: true, source: cause.into() }
    }

    /// The server is not reachable or overloaded, for this reason: a retry may succeed.
    #[must_use]
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_permanent: false, source: cause.into() }
    }

    /// Whether a retry cannot help.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.is_permanent
    }

    pub(super) fn cause(&self) -> String {
        self.source.to_string()
    }
}

/// Writes messages to standard error, tokens included: for development only.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConsoleDelivery;

impl Delivery for ConsoleDelivery {
    fn deliver<'a>(&'a self, message: &'a Message) -> DeliveryFuture<'a> {
        Box::pin(async move {
            eprintln!(
                "to: {}\nsubject: {}\n\n{}\n",
                message.to(),
                message.subject(),
                message.text()
            );
            Ok(())
        })
    }
}
