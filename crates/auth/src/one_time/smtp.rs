//! Delivery to a server for outgoing mail, with the crate `lettre`.
//!
//! ```no_run
//! use hardpoint_auth::one_time::{Courier, smtp::SmtpDelivery};
//! use hardpoint_core::Secret;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Secret::from("smtps://user:password@mail.example");
//! let delivery = SmtpDelivery::new(&url, "Example <no-reply@example.org>")?;
//! let courier = Courier::builder(delivery).build();
//! # let _ = courier;
//! # Ok(())
//! # }
//! ```

use hardpoint_core::Secret;
use http::Uri;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use super::{Delivery, DeliveryError, Message, delivery::DeliveryFuture, link::is_loopback};
use crate::ConfigError;

/// Delivers messages to a server for outgoing mail (RFC 5321). `Debug` hides it.
///
/// A recipient is `name@host`. A message to any other spelling of a mailbox, with a display name or a
/// quoted local part, fails permanently, since it would not be limited together with that mailbox.
///
/// The text is sent as plain text in UTF-8. A connection is made for each message.
pub struct SmtpDelivery {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

debug_only!(SmtpDelivery {});

impl SmtpDelivery {
    /// Delivers to the server of a URL, from this address.
    ///
    /// | URL | connection |
    /// |---|---|
    /// | `smtps://user:password@host` | TLS from the start, port 465 |
    /// | `smtp://user:password@host?tls=required` | `STARTTLS`, port 587 |
    /// | `smtp://127.0.0.1:1025` | not encrypted, for a server on the same machine only |
    ///
    /// User and password are percent-encoded. The certificate authorities are those of the system.
    ///
    /// # Errors
    /// [`ConfigError::Mail`] if the URL or the address cannot be used, or the connection would not be
    /// encrypted. It does not contain the password.
    pub fn new(url: &Secret<str>, from: &str) -> Result<Self, ConfigError> {
        Self::check(url.expose())?;
        let from = from.parse::<Mailbox>().map_err(|_| {
            ConfigError::Mail("the sender is not an address; write Name <name@host>".into())
        })?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
        // The cause could contain a part of the URL.
        let builder = builder.map_err(|_| ConfigError::Mail(FORM.into()))?;
        Ok(Self { transport: builder.build(), from })
    }

    /// Whether a URL can be used, without connecting.
    fn check(url: &str) -> Result<(), ConfigError> {
        let form = || ConfigError::Mail(FORM.into());
        let parsed: Uri = url.parse().map_err(|_| form())?;
        let host = parsed.host().filter(|host| !host.is_empty()).ok_or_else(form)?;
        match (parsed.scheme_str(), parsed.query()) {
            (Some("smtps"), None) | (Some("smtp"), Some("tls=required")) => Ok(()),
            (Some("smtp"), None) if is_loopback(host) => Ok(()),
            (Some("smtp"), _) => Err(ConfigError::Mail(
                "the connection is not encrypted, so everyone on the way could take the tokens; write \
                 smtps://.. or smtp://..?tls=required"
                    .into(),
            )),
            _ => Err(form()),
        }
    }
}

const FORM: &str = "the URL of the mail server cannot be read; write \
                    smtps://user:password@host, with the user and the password percent-encoded";

/// The mailbox of an address as the application has it. A display name (`x<name@host>`) and a quoted
/// local part (`"name"@host`) are refused: they are other spellings of a mailbox, and requests are
/// limited by the spelling.
fn recipient(address: &str) -> Option<Mailbox> {
    let address = address.parse::<Address>().ok()?;
    (!address.user().contains('"')).then(|| Mailbox::new(None, address))
}

impl Delivery for SmtpDelivery {
    fn deliver<'a>(&'a self, message: &'a Message) -> DeliveryFuture<'a> {
        Box::pin(async move {
            // The causes of lettre could contain the address.
            let to = recipient(message.to())
                .ok_or_else(|| DeliveryError::permanent("the address cannot be read"))?;
            let mail = lettre::Message::builder()
                .from(self.from.clone())
                .to(to)
                .subject(message.subject())
                .header(ContentType::TEXT_PLAIN)
                .body(message.text().to_owned())
                .map_err(|_| DeliveryError::permanent("the message cannot be written"))?;
            let Err(error) = self.transport.send(mail).await else { return Ok(()) };
            // A server's text may repeat the address; its code does not.
            let cause = match error.status() {
                Some(code) => format!("the mail server answered {code}"),
                None if error.is_timeout() => "the mail server did not answer".to_owned(),
                None if error.is_tls() => "the mail server's TLS failed".to_owned(),
                None => "the mail server cannot be reached".to_owned(),
            };
            Err(match error.is_permanent() {
                true => DeliveryError::permanent(cause),
                false => DeliveryError::transient(cause),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_has_one_spelling() {
        assert!(recipient("victim+news@example.org").is_some());
        for other in [
            "x1<victim@example.org>",
            "<victim@example.org>",
            "\"victim\"@example.org",
            "victim(x)@example.org",
            "victim@example.org,other@example.org",
            "victim@example.org\r\nBcc: other@example.org",
            "",
        ] {
            assert!(recipient(other).is_none(), "{other}");
        }
    }

    #[test]
    fn connections_that_are_not_encrypted_are_refused_without_the_password() {
        for good in [
            "smtps://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example:587?tls=required",
            "smtp://127.0.0.1:1025",
            "smtp://localhost:1025",
            "smtp://[::1]:1025",
        ] {
            let delivery = SmtpDelivery::new(&Secret::from(good), "no-reply@example.org");
            assert!(!format!("{:?}", delivery.unwrap()).contains("hunter2"));
        }
        for bad in [
            "smtp://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example?tls=opportunistic",
            "http://user:hunter2@mail.example",
            "user:hunter2@mail.example",
            "",
        ] {
            let error = SmtpDelivery::new(&Secret::from(bad), "no-reply@example.org").unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert!(error.to_string().contains("smtps://"), "{error}");
        }
        let url = Secret::from("smtp://127.0.0.1");
        assert!(SmtpDelivery::new(&url, "nobody").is_err());
    }
}
