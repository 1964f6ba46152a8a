//! A request's notes, as one field of its access line.

use hardpoint_core::RequestContext;
use serde_json::{Map, Value};

/// The field that holds the notes.
pub(crate) const FIELD: &str = "notes";

/// Returns the notes as a JSON object, or `None` if the request has none.
///
/// A tracing event's fields are fixed, so all notes are one text field. [`Logs`](crate::Logs)
/// writes it as an object.
pub(super) fn json(context: &RequestContext) -> Option<Value> {
    context.with_notes(|notes| {
        let object: Map<_, _> =
            notes.map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
        (!object.is_empty()).then_some(Value::Object(object))
    })
}
