//! Key sets of Microsoft Entra, which hold the keys of several tenants. Pure.

use std::fmt;

use serde::{
    Deserialize, Serialize, Serializer,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::Value;

/// A set. A member that stands there twice makes it unreadable.
#[derive(Deserialize, Serialize)]
struct Set {
    keys: Vec<Entry>,
}

/// What stands in the place of a key: the members of an object, all of them, also those that stand
/// there twice, since whoever reads the key refuses it for that. `None` if it is no object.
struct Entry(Option<Vec<(String, Value)>>);

/// The set without the keys that are one tenant's: such a key must not vouch for another's tokens.
pub(super) fn shared_keys(set: &[u8], template: &str) -> serde_json::Result<Vec<u8>> {
    let mut set: Set = serde_json::from_slice(set)?;
    set.keys.retain(|key| {
        let members = key.0.iter().flatten();
        let mut issuers = members.filter(|(name, _)| name == "issuer").map(|(_, issuer)| issuer);
        issuers.all(|issuer| issuer == template)
    });
    serde_json::to_vec(&set)
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(members) = &self.0 else { return serializer.serialize_unit() };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (name, value) in members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON Web Key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Entry(Some(members)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_unit<E>(self) -> Result<Entry, E> {
        Ok(Entry(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "https://login.example/{tenantid}/v2.0";

    fn shared(set: &str) -> Option<String> {
        let set = shared_keys(set.as_bytes(), TEMPLATE).ok()?;
        Some(String::from_utf8(set).unwrap())
    }

    #[test]
    fn keys_of_one_tenant_are_left_out_and_the_others_stay_as_they_are() {
        let ours = format!(r#""issuer":"{TEMPLATE}""#);
        for (key, stays) in [
            (r#"{"kid":"a","n":[1,{"b":null}]}"#.to_owned(), true),
            (format!(r#"{{"kid":"a",{ours}}}"#), true),
            (format!(r#"{{"kid":"a","kid":"b",{ours},"kty":"RSA","kty":"RSA"}}"#), true),
            (format!("{{{ours},{ours}}}"), true),
            ("{}".to_owned(), true),
            (r#"{"issuer":"https://login.example/9188040d/v2.0"}"#.to_owned(), false),
            (format!(r#"{{"issuer":"https://login.example/9188040d/v2.0",{ours}}}"#), false),
            (format!(r#"{{{ours},"issuer":"https://login.example/9188040d/v2.0"}}"#), false),
            (r#"{"issuer":null}"#.to_owned(), false),
        ] {
            let expected = if stays { key.as_str() } else { "" };
            let set = format!(r#"{{"keys":[{key}]}}"#);
            assert_eq!(shared(&set).unwrap(), format!(r#"{{"keys":[{expected}]}}"#));
        }
    }

    #[test]
    fn what_is_no_key_keeps_its_place_and_what_is_no_set_is_none() {
        let set = r#"{"other":{},"keys":[1,-1,1.5,true,null,"a",[{"kid":"a"}],{}]}"#;
        let kept = r#"{"keys":[null,null,null,null,null,null,null,{}]}"#;
        assert_eq!(shared(set).unwrap(), kept);
        for set in ["", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "[[]", r#"{"keys":["#] {
            assert_eq!(shared(set), None, "{set}");
        }
    }
}
