//! The classes of data that are found in texts, and what is done with them.

/// A class of secret or personal data that a [`Redactor`](super::Redactor) finds in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Numbers of payment cards: 12 to 19 digits of a known issuer whose check digit is right.
    Card,
    /// Keys and tokens of cloud providers and code hosts, which are known by their beginnings.
    CloudKey,
    /// Credentials behind `Bearer` or `Basic`, and values behind the name of a secret field.
    Credential,
    /// E-mail addresses.
    Email,
    /// International bank account numbers whose check digits are right.
    Iban,
    /// IPv4 and IPv6 addresses. Off by default: a service logs the client's address on purpose.
    IpAddress,
    /// JSON Web Tokens.
    Jwt,
    /// International telephone numbers that begin with `+`. Off by default: many other numbers look
    /// alike.
    Phone,
    /// Private keys in PEM.
    PrivateKey,
    /// Social security numbers of the United States.
    Ssn,
    /// User names and passwords in URLs.
    UrlCredential,
}

impl Class {
    pub(super) const ALL: [Self; 11] = [
        Self::Card,
        Self::CloudKey,
        Self::Credential,
        Self::Email,
        Self::Iban,
        Self::IpAddress,
        Self::Jwt,
        Self::Phone,
        Self::PrivateKey,
        Self::Ssn,
        Self::UrlCredential,
    ];

    /// The class as one lowercase word, as it appears in redacted texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::CloudKey => "cloud_key",
            Self::Credential => "credential",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::IpAddress => "ip_address",
            Self::Jwt => "jwt",
            Self::Phone => "phone",
            Self::PrivateKey => "private_key",
            Self::Ssn => "ssn",
            Self::UrlCredential => "url_credential",
        }
    }

    pub(super) fn default_action(self) -> Action {
        match self {
            Self::IpAddress | Self::Phone => Action::Keep,
            _ => Action::Erase,
        }
    }
}

/// What a [`Redactor`](super::Redactor) does with the data of a [`Class`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Writes `[redacted:<class>]` instead.
    Erase,
    /// Leaves it.
    Keep,
    /// Writes stars, and the last four characters of an account or card number, or the domain of an
    /// e-mail address.
    Mask,
    /// Writes `[<class>:<pseudonym>]`, the same for equal data. Only a holder of the key can
    /// check a pseudonym against a value. Without a key it is [`Erase`](Self::Erase).
    Pseudonym,
}
