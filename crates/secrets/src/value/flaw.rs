//! The flaws of a value.

use std::borrow::Cow;

use crate::Spec;

/// A flaw of a value. It contains no information about the value, not even its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Base64,
    Base64Lines,
    ByteOrderMark,
    Counting,
    Empty,
    NotUtf8,
    OwnName,
    PemBroken,
    PemEscaped,
    PemMissing,
    Placeholder,
    Repeating,
    Space,
    TooLarge,
    TooShort { least: usize },
    Uneven,
}

impl Flaw {
    pub(crate) fn what(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Base64 => "is not base64",
            Self::Base64Lines => "contains line breaks in its base64",
            Self::ByteOrderMark => "starts with a byte order mark",
            Self::Counting => "is a counting sequence, not a random key",
            Self::Empty => "is empty",
            Self::NotUtf8 => "is not UTF-8",
            Self::OwnName => "has its own name as its value",
            Self::PemBroken => {
                "contains a PEM block that is incomplete, or that contains more than base64"
            }
            Self::PemEscaped => "contains `\\n` as two characters instead of a line break",
            Self::PemMissing => "contains no PEM block",
            Self::Placeholder => "is a placeholder, not a secret",
            Self::Repeating => "repeats itself and is easy to guess",
            Self::Space => "starts or ends with whitespace",
            Self::TooLarge => "is larger than 64 KiB",
            Self::TooShort { least } => {
                return Cow::Owned(format!("is shorter than the required {least} bytes"));
            }
            Self::Uneven => "has too little variety for a random key",
        })
    }

    pub(crate) fn remedy(self, spec: &Spec) -> String {
        let remedy = match self {
            Self::Base64 => "encode it in the standard or the URL-safe alphabet",
            Self::Base64Lines => "write it on one line",
            Self::ByteOrderMark | Self::NotUtf8 => {
                return "save it as UTF-8 without a byte order mark".to_owned();
            }
            Self::Empty => "write the secret, or remove the variable or the file",
            Self::PemBroken => {
                "write the whole block with its line breaks, from the BEGIN line to the END line"
            }
            Self::PemEscaped => {
                return format!(
                    "write real line breaks, or set `{}_FILE` to the path of a PEM file",
                    spec.name()
                );
            }
            Self::PemMissing => "write a block that starts with a BEGIN line",
            Self::Space => return "remove the whitespace".to_owned(),
            Self::TooLarge => return "write only the secret".to_owned(),
            Self::TooShort { .. } => "use a longer one",
            Self::Counting | Self::OwnName | Self::Placeholder | Self::Repeating | Self::Uneven => {
                "use a real secret"
            }
        };
        spec.advise(remedy)
    }
}
