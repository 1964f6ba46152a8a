//! What the record shows of the person behind a request.

use std::{borrow::Cow, net::IpAddr};

use super::{Action, Redactor};

/// A field of the access line, and of the request's exported span, that is personal data on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Personal {
    /// The address of the client, and of the proxy or client that connected (`client`,
    /// `client.address`, `network.peer.address`).
    Client,
    /// The authenticated subject (`subject`).
    Subject,
    /// The user agent (`user_agent`, `user_agent.original`).
    UserAgent,
}

impl Personal {
    pub(super) const ALL: [Self; 3] = [Self::Client, Self::Subject, Self::UserAgent];

    /// The personal data that a field of the access line holds.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|personal| personal.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Subject => "subject",
            Self::UserAgent => "user_agent",
        }
    }
}

impl Redactor {
    /// What the access line and the exported span of a request show of the person behind it.
    /// Default: [`Action::Keep`], because who asked is what the line is about.
    ///
    /// | action | shows |
    /// |---|---|
    /// | [`Erase`](Action::Erase) | nothing: the field is `null`, or absent from a span |
    /// | [`Mask`](Action::Mask) | the network of an address (`203.0.113.0/24`, `2001:db8:7::/48`), the first product of a user agent (`curl/8.5.0`), stars for a subject |
    /// | [`Pseudonym`](Action::Pseudonym) | `[client:<pseudonym>]`, the same for the same person; without a [key](Self::pseudonym_key) as `Erase` |
    ///
    /// A pseudonym is still personal data: the holder of the key can check it against a person.
    pub fn personal(self, what: Personal, action: Action) -> Self {
        self.change(|rules| {
            if let Some(slot) = rules.personal.get_mut(what as usize) {
                *slot = action;
            }
        })
    }

    /// Whether the data is not shown as it is.
    pub(crate) fn changes(&self, what: Personal) -> bool {
        self.action_on(what) != Action::Keep
    }

    /// What is shown instead, redacted like every text. `None` shows nothing.
    pub(crate) fn show<'t>(&self, what: Personal, text: &'t str) -> Option<Cow<'t, str>> {
        match self.action_on(what) {
            // Only a user agent is a text that a client writes.
            Action::Keep if what == Personal::UserAgent => Some(self.redact(text)),
            Action::Keep => Some(text.into()),
            Action::Mask => Some(match what {
                Personal::Client => network(text).into(),
                Personal::Subject => "********".into(),
                Personal::UserAgent => self.redact(text.split([' ', '(']).next().unwrap_or("")),
            }),
            Action::Pseudonym => {
                let key = self.rules.as_ref().and_then(|rules| rules.key)?;
                Some(super::pseudonym(&key, what.name(), text).into())
            }
            Action::Erase => None,
        }
    }

    fn action_on(&self, what: Personal) -> Action {
        let action = self.rules.as_ref().and_then(|rules| rules.personal.get(what as usize));
        action.copied().unwrap_or(Action::Keep)
    }
}

/// The network that an address is in: the smallest that is usually not one household's.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        Err(_) => "********".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::Secret;

    use super::*;

    fn with(action: Action) -> Redactor {
        let key = Secret::<[u8]>::from(vec![7; 16]);
        let redactor = Redactor::new().pseudonym_key(&key).unwrap();
        Personal::ALL.into_iter().fold(redactor, |redactor, what| redactor.personal(what, action))
    }

    #[test]
    fn each_action_shows_what_the_table_says() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) alice@example.com";
        let shown = |action| {
            let redactor = with(action);
            [
                (Personal::Client, "203.0.113.9"),
                (Personal::Subject, "alice"),
                (Personal::UserAgent, agent),
            ]
            .map(|(what, text)| redactor.show(what, text).map(Cow::into_owned))
        };
        assert_eq!(shown(Action::Erase), [const { None }; 3]);
        let masked =
            ["203.0.113.0/24", "********", "Mozilla/5.0"].map(|text| Some(text.to_owned()));
        assert_eq!(shown(Action::Mask), masked);
        let pseudonyms = shown(Action::Pseudonym).map(Option::unwrap);
        for (pseudonym, name) in pseudonyms.iter().zip(["client", "subject", "user_agent"]) {
            assert!(pseudonym.starts_with(&format!("[{name}:")), "{pseudonym}");
            assert_eq!(pseudonym.len(), name.len() + 35);
        }
        assert_eq!(shown(Action::Pseudonym).map(Option::unwrap), pseudonyms, "the same again");
        let kept = shown(Action::Keep).map(Option::unwrap);
        assert_eq!(kept[2], "Mozilla/5.0 (X11; Linux x86_64) [redacted:email]");
    }

    #[test]
    fn addresses_are_masked_by_network_and_without_a_key_there_is_no_pseudonym() {
        let redactor = with(Action::Mask);
        for (address, network) in [
            ("2001:db8:7:1::5", "2001:db8:7::/48"),
            ("::1", "::/48"),
            ("not an address", "********"),
        ] {
            assert_eq!(redactor.show(Personal::Client, address).unwrap(), network);
        }
        let keyless = Redactor::new().personal(Personal::Subject, Action::Pseudonym);
        assert_eq!(keyless.show(Personal::Subject, "alice"), None);
        assert!(!Redactor::new().changes(Personal::Client) && keyless.changes(Personal::Subject));
        assert!(!Redactor::dangerous_off().changes(Personal::Client));
    }
}
