//! The spans of a test, as its log shows them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use tracing::{Subscriber, field::Field, span::Id};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{
    export::{Fields, Place},
    stored::SpanFields,
    value::{Chain, Value},
};

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapturedSpan {
    /// Its name.
    pub name: &'static str,
    /// The module or the target that it was opened with.
    pub target: &'static str,
    /// The name of the span around it.
    pub parent: Option<&'static str>,
    /// Its fields with their last values, redacted like those of the log.
    pub fields: Map<String, Json>,
}

/// The spans of a capture, in the order of their ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<CapturedSpan>>>);

impl Spans {
    pub(crate) fn all(&self) -> Vec<CapturedSpan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        // The log's layer keeps the fields of the spans that its filter lets through.
        let Some(kept) = extensions.get::<SpanFields>() else { return };
        let mut fields = Map::new();
        kept.write(&mut fields);
        let span = CapturedSpan {
            name: span.name(),
            target: span.metadata().target(),
            parent: span.parent().map(|parent| parent.name()),
            fields,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

impl Fields for Map<String, Json> {
    fn message(&mut self, _: Value<'_>) {}

    fn field(&mut self, field: &Field, value: Value<'_>) {
        self.inherited(field.name(), value);
    }

    fn own_field(&mut self, field: &Field, value: Value<'_>) {
        self.inherited(field.name(), value);
    }

    fn place(&mut self, _: Place) {}

    fn inherited(&mut self, name: &'static str, value: Value<'_>) {
        self.insert(name.to_owned(), json(value));
    }
}

/// The value as a line shows it.
fn json(value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => value.into(),
        Value::Clean(text) | Value::Json(text) | Value::Text(text) => text.into(),
        Value::Debug(value) => format!("{value:?}").into(),
        Value::Error(error) => Chain(error).to_string().into(),
        Value::F64(number) => number.into(),
        Value::I64(number) => number.into(),
        Value::U64(number) => number.into(),
        Value::I128(number) => number.to_string().into(),
        Value::U128(number) => number.to_string().into(),
        Value::Null => Json::Null,
    }
}
