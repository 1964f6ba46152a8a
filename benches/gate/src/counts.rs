//! Instruction counts as gungraun prints them.

use std::{collections::BTreeMap, error::Error, fmt};

use serde_json::{Deserializer, Value};

/// How many instructions each scenario took.
pub type Counts = BTreeMap<String, u64>;

/// Reads what `--output-format=json` prints: one summary after the other.
///
/// # Errors
/// [`Unreadable`] if it is not that, or has no counts in it.
pub fn read(text: &str) -> Result<Counts, Unreadable> {
    let mut counts = Counts::new();
    for summary in Deserializer::from_str(text).into_iter::<Value>() {
        let summary = summary.map_err(|_| Unreadable("a summary is no JSON"))?;
        let name = summary["id"].as_str().ok_or(Unreadable("a summary has no id"))?;
        let count = instructions(&summary).ok_or(Unreadable("a summary has no instructions"))?;
        counts.insert(name.replace('_', " "), count);
    }
    if counts.is_empty() {
        return Err(Unreadable("there is no summary"));
    }
    Ok(counts)
}

/// The `Ir` of callgrind's total.
fn instructions(summary: &Value) -> Option<u64> {
    let profiles = summary["profiles"].as_array()?;
    let callgrind = profiles.iter().find(|profile| profile["tool"] == "Callgrind")?;
    callgrind.pointer("/data/total/metrics/Ir/values/new")?.as_u64()
}

/// Counts that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Unreadable {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(id: &str, count: u64) -> String {
        let metrics = json!({ "Ir": { "values": { "new": count, "old": 7 } } });
        let data = json!({ "total": { "metrics": metrics } });
        json!({ "id": id, "profiles": [{ "tool": "Callgrind", "data": data }] }).to_string()
    }

    #[test]
    fn a_scenario_is_called_as_people_call_it() {
        let text = format!("{}\n{}\n", summary("limiter_accept", 412), summary("whole_stack", 9));
        let counts = read(&text).unwrap();
        assert_eq!(counts["limiter accept"], 412);
        assert_eq!(counts["whole stack"], 9);
    }

    #[test]
    fn what_is_no_summary_is_an_error_and_not_an_empty_gate() {
        for text in ["", "no JSON", "{}", r#"{"id":"a","profiles":[]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
