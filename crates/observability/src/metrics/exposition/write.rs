//! Lines of both formats.

use std::io::Write as _;

use super::{Format, PIECE};
use crate::{
    decimal,
    metrics::exemplar::{Exemplar, Exemplars},
};

/// A piece of an exposition.
pub(super) struct Page {
    bytes: Vec<u8>,
    format: Format,
}

/// The labels of a sample, encoded, and one more.
#[derive(Clone, Copy)]
pub(super) struct Labels<'a> {
    first: &'a str,
    second: &'a str,
    /// A metric's name, as a label's value.
    metric: &'a str,
}

impl<'a> Labels<'a> {
    pub(super) const fn new(encoded: &'a str) -> Self {
        Self { first: encoded, second: "", metric: "" }
    }

    pub(super) const fn metric(name: &'a str) -> Self {
        Self { first: "", second: "", metric: name }
    }

    pub(super) const fn and(self, encoded: &'a str) -> Self {
        Self { second: encoded, ..self }
    }
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        // A series may exceed the limit by its own length.
        Self { bytes: Vec::with_capacity(PIECE + PIECE / 4), format }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes what comes before a metric's samples.
    pub(super) fn head(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // OpenMetrics names the family, not its samples.
        let name = match (self.format, kind) {
            (Format::OpenMetrics, "counter") => name.strip_suffix("_total").unwrap_or(name),
            (Format::OpenMetrics, "info") => name.strip_suffix("_info").unwrap_or(name),
            _ => name,
        };
        let kind = match (self.format, kind) {
            (Format::Text, "info") => "gauge",
            _ => kind,
        };
        for part in ["# HELP ", name, " "] {
            self.text(part);
        }
        self.help(help);
        for part in ["\n# TYPE ", name, " ", kind, "\n"] {
            self.text(part);
        }
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            for part in ["# UNIT ", name, " ", unit, "\n"] {
                self.text(part);
            }
        }
    }

    /// Writes what comes after everything.
    pub(super) fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.text("# EOF\n");
        }
    }

    pub(super) fn integer(&mut self, name: &str, suffix: &str, labels: Labels<'_>, value: u64) {
        self.begin(name, suffix, labels);
        self.number(value);
        self.line();
    }

    pub(super) fn signed(&mut self, name: &str, labels: Labels<'_>, value: i64) {
        self.begin(name, "", labels);
        if value < 0 {
            self.text("-");
        }
        self.number(value.unsigned_abs());
        self.line();
    }

    pub(super) fn float(&mut self, name: &str, suffix: &str, labels: Labels<'_>, value: f64) {
        self.begin(name, suffix, labels);
        self.real(value);
        self.line();
    }

    /// Writes the beginning of a sample's line.
    pub(super) fn begin(&mut self, name: &str, suffix: &str, labels: Labels<'_>) {
        self.text(name);
        self.text(suffix);
        if labels.metric.is_empty() && labels.first.is_empty() && labels.second.is_empty() {
            return self.text(" ");
        }
        self.text("{");
        if !labels.metric.is_empty() {
            for part in ["metric=\"", labels.metric, "\""] {
                self.text(part);
            }
        }
        self.text(labels.first);
        if !labels.first.is_empty() && !labels.second.is_empty() {
            self.text(",");
        }
        self.text(labels.second);
        self.text("} ");
    }

    pub(super) fn line(&mut self) {
        self.text("\n");
    }

    /// Returns a bucket's exemplar if the format has any.
    pub(super) fn exemplar(&self, exemplars: &Exemplars, bucket: usize) -> Option<Exemplar> {
        if self.format == Format::OpenMetrics { exemplars.read(bucket) } else { None }
    }

    pub(super) fn write_exemplar(&mut self, exemplar: &Exemplar) {
        let Exemplar { trace, value, unix } = exemplar;
        let time = (unix.as_secs(), unix.subsec_millis());
        // Writing to a vector does not fail.
        let _written =
            write!(self.bytes, " # {{trace_id=\"{trace}\"}} {value} {}.{:03}", time.0, time.1);
    }

    pub(super) fn number(&mut self, number: u64) {
        decimal::each_group(number, &mut |group| self.text(group));
    }

    fn real(&mut self, value: f64) {
        if value.is_nan() {
            self.text("NaN");
        } else if value.is_infinite() {
            self.text(if value > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            // Writing to a vector does not fail.
            let _written = write!(self.bytes, "{value}");
        }
    }

    fn help(&mut self, help: &str) {
        for character in help.chars() {
            match character {
                '\\' => self.text("\\\\"),
                '\n' => self.text("\\n"),
                '"' if self.format == Format::OpenMetrics => self.text("\\\""),
                other => {
                    let mut bytes = [0; 4];
                    self.text(other.encode_utf8(&mut bytes));
                }
            }
        }
    }

    #[inline]
    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}
