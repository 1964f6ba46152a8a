//! Reads a line of a log.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Reads a log line: one JSON object in which no name appears twice, at any depth. `serde_json` and
/// most other parsers keep one of two values without notice.
///
/// ```
/// use hardpoint_core::test::json_line;
///
/// assert_eq!(json_line(r#"{"level":"INFO"}"#).unwrap()["level"], "INFO");
/// for bad in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, "[]", "INFO listening", ""] {
///     assert!(json_line(bad).is_err());
/// }
/// ```
///
/// # Errors
/// The parser's error, which quotes a name that appears twice.
pub fn json_line(line: &str) -> serde_json::Result<Map<String, Value>> {
    match serde_json::from_str(line)? {
        Strict(Value::Object(object)) => Ok(object),
        Strict(_) => Err(serde_json::Error::custom("a line is an object")),
    }
}

/// A value without a name that appears twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Strict, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            all.push(value);
        }
        Ok(Strict(Value::Array(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format_args!("`{name}` appears twice")));
            }
            all.insert(name, value);
        }
        Ok(Strict(Value::Object(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_as_serde_json_reads_it() {
        let line = r#"{"a":null,"b":[true,-1,1,1.5,"x\n"],"c":{"a":{"a":18446744073709551615}}}"#;
        let expected: Value = serde_json::from_str(line).unwrap();
        assert_eq!(Value::Object(json_line(line).unwrap()), expected);
    }

    #[test]
    fn a_name_that_appears_twice_is_an_error_at_any_depth() {
        for (line, name) in
            [(r#"{"a":1,"b":2,"a":1}"#, "a"), (r#"{"a":[{"b":{"c":1,"\u0063":1}}]}"#, "c")]
        {
            let error = json_line(line).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` appears twice")), "{error}");
        }
        assert!(json_line(r#"{"a":1} {"a":1}"#).is_err());
    }
}
