//! The flaws of a value.

use std::borrow::Cow;

use crate::Spec;

/// A flaw of a value. It contains no information about the value, not even its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Base32,
    Base64,
    Base64Space,
    Binary { wanted: &'static str },
    ByteOrderMark,
    Counting,
    Empty,
    EncodedTwice,
    Hex,
    HexIsBase64,
    HexOdd,
    HexSeparated,
    Invisible,
    KeyIsPem,
    NotExactly { bytes: usize },
    NotHex,
    NotUtf8,
    OwnName,
    PemBare,
    PemBroken,
    PemDer,
    PemEncoded,
    PemEscaped,
    PemHex,
    PemJson,
    PemMissing,
    PemPath,
    PemSsh,
    Placeholder,
    Quoted,
    RawIsText,
    RawLineBreak,
    Repeating,
    Space,
    TooLarge,
    TooShort { least: usize },
    Uneven,
}

impl Flaw {
    pub(crate) fn what(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Base32 => "is base32, not base64, in which it would be another key",
            Self::Base64 => "is not base64",
            Self::Base64Space => "contains line breaks or spaces in its base64",
            Self::Binary { wanted } => {
                return Cow::Owned(format!("is a key in raw bytes, not in {wanted}"));
            }
            Self::ByteOrderMark => "starts with a byte order mark",
            Self::Counting => "is a counting sequence, not a random key",
            Self::Empty => "is empty",
            Self::EncodedTwice => "decodes to text in base64 or hexadecimal, not to a random key",
            Self::Hex => "is hexadecimal, not base64, in which it would be another key",
            Self::HexIsBase64 => "is base64, not hexadecimal",
            Self::HexOdd => "has an odd number of hexadecimal digits",
            Self::HexSeparated => "contains a prefix, separators or spaces in its hexadecimal",
            Self::Invisible => {
                "contains an invisible character, such as a zero-width space or a NUL"
            }
            Self::KeyIsPem => "is a PEM block, not a random key",
            Self::NotExactly { bytes } => {
                return Cow::Owned(format!("has not exactly the required {bytes} bytes"));
            }
            Self::NotHex => "is not hexadecimal",
            Self::NotUtf8 => "is not UTF-8",
            Self::OwnName => "has its own name as its value",
            Self::PemBare => "is the base64 of a key without its BEGIN and END lines",
            Self::PemBroken => {
                "contains a PEM block that is incomplete, or that contains more than base64"
            }
            Self::PemDer => "is a key in DER, not in PEM",
            Self::PemEncoded => "is a PEM text that is encoded in base64 once more",
            Self::PemEscaped => "contains `\\n` as two characters instead of a line break",
            Self::PemHex => "is hexadecimal, not PEM",
            Self::PemJson => "is JSON, such as a JWK, not PEM",
            Self::PemMissing => "contains no PEM block",
            Self::PemPath => "is a path, not the PEM text itself",
            Self::PemSsh => "is a key in the format of SSH, not in PEM",
            Self::Placeholder => "is a placeholder, not a secret",
            Self::Quoted => "has quotation marks around it, which are part of the value",
            Self::RawIsText => "is text in base64 or hexadecimal, not raw bytes",
            Self::RawLineBreak => "ends in a line break after the required bytes",
            Self::Repeating => "repeats itself and is easy to guess",
            Self::Space => "starts or ends with whitespace",
            Self::TooLarge => "is larger than 64 KiB",
            Self::TooShort { least } => {
                return Cow::Owned(format!("is shorter than the required {least} bytes"));
            }
            Self::Uneven => "has too little variety for a random key",
        })
    }

    /// The advice for the operator. A flaw that a command fixes has no other advice.
    pub(crate) fn remedy(self, spec: &Spec) -> String {
        let name = spec.name();
        let advice = match self {
            Self::Base64 => "encode it in the standard or the URL-safe alphabet",
            Self::Empty => "write the secret, or remove the variable or the file",
            Self::KeyIsPem | Self::NotHex => "write the key as described",
            Self::NotExactly { .. } => "use a key of that length",
            Self::PemBroken => {
                "write the whole block with its line breaks, from the BEGIN line to the END line"
            }
            Self::PemMissing => "write a block that starts with a BEGIN line",
            Self::TooShort { .. } => "use a longer one",
            Self::Counting | Self::OwnName | Self::Placeholder | Self::Repeating | Self::Uneven => {
                "use a real secret"
            }
            mended => return mended.command(name),
        };
        spec.advise(advice)
    }

    /// The fix for a value that is a good secret in the wrong form.
    fn command(self, name: &str) -> String {
        match self {
            Self::Base32 => "convert it: `base32 -d | base64 -w0`".into(),
            Self::Base64Space => "write it on one line: `tr -d '[:space:]'`".into(),
            Self::Binary { wanted: "base64" } => "encode the file: `base64 -w0`".into(),
            Self::Binary { .. } => "encode the file: `xxd -p -c 0`".into(),
            Self::ByteOrderMark | Self::NotUtf8 => {
                "save it as UTF-8 without a byte order mark".into()
            }
            Self::EncodedTwice => "decode it once: `base64 -d`, or `xxd -r -p`".into(),
            Self::Hex => "convert it: `xxd -r -p | base64 -w0`".into(),
            Self::HexIsBase64 => "convert it: `base64 -d | xxd -p -c 0`".into(),
            Self::HexOdd => "write two digits for each byte".into(),
            Self::HexSeparated => {
                "write only the digits: `tr -cd '0-9a-fA-F'`, without `0x`".into()
            }
            Self::Invisible => "type it again, or save it without that character".into(),
            Self::PemBare => {
                "convert it: `base64 -d | openssl pkey -inform der`, with `-pubin` for a public key"
                    .into()
            }
            Self::PemDer => {
                "convert it: `openssl pkey -inform der`, with `-pubin` for a public key".into()
            }
            Self::PemEncoded => "decode it: `base64 -d`".into(),
            Self::PemEscaped => format!(
                "write real line breaks, or set `{name}_FILE` to the path of a PEM file; \
                 `printf '%b'` converts it"
            ),
            Self::PemHex => "convert it: `xxd -r -p | openssl pkey -inform der`".into(),
            Self::PemJson => "export the key as PEM (PKCS#8, or SPKI for a public key)".into(),
            Self::PemPath => format!("set `{name}_FILE` to the path"),
            Self::PemSsh => "convert it: `ssh-keygen -p -m PKCS8 -f KEY` for a private key, \
                             `ssh-keygen -e -m PKCS8 -f KEY.pub` for a public one"
                .into(),
            Self::Quoted => "remove the quotation marks: docker's `--env-file` keeps them".into(),
            Self::RawIsText => "decode it: `base64 -d`, or `xxd -r -p`".into(),
            Self::RawLineBreak => "remove the line break: `head -c -1`".into(),
            Self::Space => "remove the whitespace".into(),
            _ => "write only the secret".into(),
        }
    }
}
