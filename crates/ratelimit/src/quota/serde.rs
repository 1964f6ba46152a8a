//! Quotas in configuration files.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use super::Quota;

/// From its text, such as `"200/1s:400"`. The error names the quota that was meant, where it is
/// known: ``write `5/1m` `` for `5/m`.
impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Quota;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quota, such as \"200/1s:400\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quota, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_file_names_quotas_and_a_mistake_is_refused_with_what_to_write() {
        let file = r#"{"log-in": "5/1m", "client": "200/1s:400", "escaped": "5\/1m"}"#;
        let quotas: BTreeMap<String, Quota> = serde_json::from_str(file).unwrap();
        assert_eq!(quotas["log-in"], Quota::per_minute(5));
        assert_eq!(quotas["client"], Quota::per_second(200).burst(400));
        assert_eq!(quotas["escaped"], quotas["log-in"]);
        for (bad, expected) in [
            (r#""5/m""#, "`5/m` is not a quota; write `5/1m`"),
            (r#""five a minute""#, "`five a minute` is not a quota; write CELLS/PERIOD"),
            ("5", "invalid type: integer `5`, expected a quota, such as \"200/1s:400\""),
            ("null", "invalid type: null, expected a quota"),
        ] {
            let error = serde_json::from_str::<Quota>(bad).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
