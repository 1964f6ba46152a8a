//! Messages to users: their links, and their delivery.

use std::{error::Error, fmt, time::Duration};

use hardpoint::{
    auth::{
        OneTimeTokens,
        one_time::{
            Courier, LinkBase, Message, NewOneTimeToken, OneTimeError, Purpose, TokenStore,
            smtp::SmtpDelivery,
        },
    },
    core::{Problem, RequestContext, Secret, Telemetry},
};
use http::{StatusCode, request::Parts};

use crate::{settings::Settings, stores::Server};

/// How messages are delivered, and where their links lead.
#[derive(Debug)]
pub(crate) struct MailSettings {
    pub(crate) url: Secret<str>,
    pub(crate) base: LinkBase,
}

impl MailSettings {
    /// The sender: the host of the links.
    pub(crate) fn sender(&self) -> String {
        format!("no-reply@{}", self.base.host())
    }
}

/// One-time tokens, and, if it is configured, the courier that delivers them.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) tokens: OneTimeTokens,
    outgoing: Option<Outgoing>,
    /// Whether operators can hand over tokens for new passwords.
    by_operators: bool,
}

/// The delivery of messages.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    courier: Courier,
    base: LinkBase,
}

/// How long the end of the process waits for messages.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(5);
const MARGIN: Duration = Duration::from_millis(500);

/// Messages were lost with the process.
#[derive(Debug)]
pub(crate) struct Undelivered(u32);

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages were not delivered; their users have to request others", self.0)
    }
}

impl Error for Undelivered {}

/// The page that a link leads to, by the purpose of its token. The front end of the service has them.
const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::EmailVerification => "/verify",
        Purpose::MagicLink => "/magic-link",
        _ => "/password-reset",
    }
}

impl Mail {
    pub(crate) fn new(
        settings: &Settings,
        server: Option<&Server>,
        telemetry: &Telemetry,
    ) -> Result<Self, Box<dyn Error>> {
        let store = server.map_or_else(TokenStore::memory, Server::tokens);
        let tokens = OneTimeTokens::builder(store, &settings.root.secret);
        let outgoing = match &settings.mail {
            None => None,
            Some(mail) => {
                let delivery = SmtpDelivery::new(&mail.url, &mail.sender())?;
                let courier = Courier::builder(delivery).telemetry(telemetry).build();
                Some(Outgoing { courier, base: mail.base.clone() })
            }
        };
        let by_operators = settings.admin_token.is_some();
        Ok(Self { tokens: tokens.telemetry(telemetry).build(), outgoing, by_operators })
    }

    /// The delivery of messages: 501 if it is not configured.
    pub(crate) fn outgoing(&self) -> Result<&Outgoing, Problem> {
        self.outgoing.as_ref().ok_or_else(|| {
            Problem::from_status(StatusCode::NOT_IMPLEMENTED)
                .detail("The operator has not configured the delivery of messages.")
        })
    }

    /// An error, 501, if no token of this purpose can exist.
    pub(crate) fn accepts(&self, purpose: Purpose) -> Result<(), Problem> {
        if self.by_operators && purpose == Purpose::PasswordReset {
            return Ok(());
        }
        self.outgoing().map(|_| ())
    }

    /// Whether messages are delivered.
    pub(crate) fn is_delivered(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Counts a request for a message to this address, whether it has an account or not.
    pub(crate) async fn admit(
        &self,
        purpose: Purpose,
        email: &str,
        parts: &Parts,
    ) -> Result<(), OneTimeError> {
        let client = RequestContext::find(&parts.extensions).and_then(|context| context.client());
        self.tokens.admit(purpose, email, client.and_then(|client| client.network())).await
    }

    /// Waits at the end of the process for the messages that users wait for: for less time than a courier
    /// takes to give one up, since those that are left can be requested again.
    pub(crate) async fn flush(&self) -> Result<(), Undelivered> {
        let Some(Outgoing { courier, .. }) = &self.outgoing else { return Ok(()) };
        let flushed = tokio::time::timeout(END_WITHIN - MARGIN, courier.flush()).await;
        flushed.map_err(|_elapsed| Undelivered(courier.remaining()))
    }
}

impl Outgoing {
    /// Prepares and delivers a message in the background.
    pub(crate) fn submit(
        &self,
        job: impl Future<Output = Option<Message>> + Send + 'static,
    ) -> Result<(), OneTimeError> {
        self.courier.submit(job)
    }

    /// The link that contains this token.
    pub(crate) fn link(&self, purpose: Purpose, token: &Secret<str>) -> Secret<str> {
        self.base.link(page(purpose), token)
    }

    /// The message with a link that contains this token.
    pub(crate) fn message(&self, purpose: Purpose, email: &str, token: &Secret<str>) -> Message {
        let (subject, what) = match purpose {
            Purpose::EmailVerification => ("Confirm your address", "open your account"),
            Purpose::MagicLink => ("Log in", "log in"),
            _ => ("Reset your password", "choose a new password"),
        };
        let link = self.link(purpose, token);
        let minutes = purpose.lifetime().as_secs() / 60;
        let text = format!(
            "Open this link within {minutes} minutes to {what}:\n\n{}\n\nIf you did not ask for it, \
             ignore this message.\n",
            link.expose()
        );
        Message::new(email, subject.to_owned(), Secret::from(text))
    }

    /// The message to the owner of an account whose address was used for another sign-up.
    pub(crate) fn already_an_account(&self, email: &str) -> Message {
        let text = "You have an account already. If you forgot your password, reset it. If you did \
                    not sign up just now, ignore this message.\n";
        Message::new(email, "You have an account already".to_owned(), Secret::from(text))
    }
}

/// Makes a token, and the message with its link. A store that does not answer is an operator's concern:
/// the user requests another message.
pub(crate) async fn prepared(
    mail: &Mail,
    token: NewOneTimeToken<'_>,
    purpose: Purpose,
    email: &str,
) -> Option<Message> {
    match mail.tokens.issue(token).await {
        Ok(token) => Some(mail.outgoing.as_ref()?.message(purpose, email, &token)),
        Err(_) => {
            tracing::warn!(purpose = purpose.as_str(), "a one-time token could not be made");
            None
        }
    }
}
