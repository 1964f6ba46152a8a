//! Messages to users, and the trait that delivers them.

use std::{error::Error, fmt, pin::Pin};

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

/// A message was not delivered.
#[derive(Debug)]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// The message or its address was refused: another attempt does not help.
    Permanent,
    /// The server is not reachable or overloaded.
    Transient,
}

impl DeliveryError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: DeliveryErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds the cause. It must not name the address.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether another attempt may help.
    #[must_use]
    pub const fn kind(&self) -> DeliveryErrorKind {
        self.kind
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            DeliveryErrorKind::Permanent => "the message was refused",
            DeliveryErrorKind::Transient => "the message could not be handed over",
        })
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
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
