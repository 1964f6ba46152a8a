//! What can be wrong with a value, without the value.

use std::borrow::Cow;

use crate::Spec;

/// What is wrong with a value. It carries nothing of the value, not even its length.
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
            Self::Base64Lines => "has line breaks in its base64",
            Self::ByteOrderMark => "starts with a byte order mark",
            Self::Counting => "is a sequence that counts, not a random key",
            Self::Empty => "is empty",
            Self::NotUtf8 => "is not UTF-8",
            Self::OwnName => "has its own name as its value",
            Self::PemBroken => {
                "has a PEM block that is incomplete, or has something other than base64 in it"
            }
            Self::PemEscaped => "has `\\n` written as two characters in its PEM block",
            Self::PemMissing => "has no PEM block",
            Self::Placeholder => "is a placeholder, not a secret",
            Self::Repeating => "repeats itself, so that it is easily guessed",
            Self::Space => "starts or ends with white space",
            Self::TooLarge => "is larger than 64 KiB",
            Self::TooShort { least } => {
                return Cow::Owned(format!("is shorter than the {least} bytes it must have"));
            }
            Self::Uneven => "has too little variety for a random key",
        })
    }

    pub(crate) fn remedy(self, spec: &Spec) -> String {
        let remedy = match self {
            Self::Base64 => "write it in the standard or the URL-safe alphabet",
            Self::Base64Lines => "write it on one line",
            Self::ByteOrderMark | Self::NotUtf8 => {
                return "save it as UTF-8 without a byte order mark".to_owned();
            }
            Self::Empty => "write the secret, or unset the variable or remove the file",
            Self::PemBroken => {
                "write the whole block with its line breaks, from its BEGIN line to its END line"
            }
            Self::PemEscaped => {
                return format!(
                    "write real line breaks, or set `{}_FILE` to the path of a PEM file",
                    spec.name()
                );
            }
            Self::PemMissing => "write a block that starts with a BEGIN line",
            Self::Space => return "take the white space off".to_owned(),
            Self::TooLarge => return "write the secret alone".to_owned(),
            Self::TooShort { .. } => "write a longer one",
            Self::Counting | Self::OwnName | Self::Placeholder | Self::Repeating | Self::Uneven => {
                "write a real one"
            }
        };
        spec.advise(remedy)
    }
}
