//! Units, bounds, and the rules of names.

use std::borrow::Cow;

use super::Mistake;

/// The unit of a metric: a base unit, in the plural. A metric's name ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(&'static str);

impl Unit {
    /// Bytes.
    pub const BYTES: Self = Self("bytes");
    /// A count of what the name says, such as `orders_total`.
    pub const NONE: Self = Self("");
    /// A part of a whole, from 0 to 1.
    pub const RATIO: Self = Self("ratio");
    /// Seconds.
    pub const SECONDS: Self = Self("seconds");

    /// Creates a unit, such as `dollars`.
    #[must_use]
    pub const fn new(plural: &'static str) -> Self {
        Self(plural)
    }

    /// The unit as the end of a name, empty for [`NONE`](Self::NONE).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The upper bounds of a histogram's buckets, ascending. A last bucket without a bound is implied.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds(Cow<'static, [f64]>);

impl Bounds {
    /// Powers of four from 64 bytes to 16 MiB.
    pub const BYTES: Self = Self(Cow::Borrowed(&[
        64.0,
        256.0,
        1_024.0,
        4_096.0,
        16_384.0,
        65_536.0,
        262_144.0,
        1_048_576.0,
        4_194_304.0,
        16_777_216.0,
    ]));
    /// The bounds that OpenTelemetry advises for HTTP durations, from 5 ms to 10 s.
    pub const SECONDS: Self = Self(Cow::Borrowed(&[
        0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ]));

    pub(super) const NONE: Self = Self(Cow::Borrowed(&[]));

    /// The maximum number of bounds.
    pub const MAX: usize = 64;

    /// Creates bounds. Bounds that do not ascend, are not finite, or are more than
    /// [`MAX`](Self::MAX), are reported when the metrics are built.
    #[must_use]
    pub fn new(bounds: impl Into<Vec<f64>>) -> Self {
        Self(Cow::Owned(bounds.into()))
    }

    #[inline]
    pub(super) const fn as_slice(&self) -> &[f64] {
        match &self.0 {
            Cow::Borrowed(bounds) => bounds,
            Cow::Owned(bounds) => bounds.as_slice(),
        }
    }

    /// The first of too many bounds, so that a series of metrics that are refused anyway fits.
    pub(super) fn cut(mut self) -> Self {
        if self.0.len() > Self::MAX {
            self.0.to_mut().truncate(Self::MAX);
        }
        self
    }

    pub(super) fn is_valid(&self) -> bool {
        let finite = self.0.iter().all(|bound| bound.is_finite());
        let ascending = self.0.windows(2).all(|pair| pair.first() < pair.last());
        finite && ascending && (1..=Self::MAX).contains(&self.0.len())
    }
}

/// What a name must end in.
pub(super) fn suffix(unit: Unit, counts: bool) -> String {
    let unit = unit.as_str();
    match (unit.is_empty(), counts) {
        (true, true) => "_total".to_owned(),
        (true, false) => String::new(),
        (false, true) => format!("_{unit}_total"),
        (false, false) => format!("_{unit}"),
    }
}

/// Checks the name of a metric.
pub(super) fn check_name(name: &str, unit: Unit, counts: bool) -> Result<(), Mistake> {
    let suffix = suffix(unit, counts);
    let owned = || name.to_owned();
    if !is_word(name, |first| first.is_ascii_alphabetic()) {
        return Err(Mistake::Name { name: owned() });
    }
    // These belong to other kinds of metrics, or to the lines of a histogram.
    let foreign = ["_bucket", "_count", "_sum", "_created", "_info"];
    let reserved = (!counts && name.ends_with("_total"))
        || foreign.iter().any(|suffix| name.ends_with(suffix));
    if reserved {
        return Err(Mistake::ReservedSuffix { name: owned() });
    }
    if !name.ends_with(&suffix) || name.len() == suffix.len() {
        return Err(Mistake::Suffix { name: owned(), suffix });
    }
    Ok(())
}

/// Whether `name` can be the name of a label. `le` and `quantile` belong to histograms, and two
/// underscores at the beginning to Prometheus.
pub(super) fn is_label(name: &str) -> bool {
    let reserved = ["le", "quantile", super::family::OVERFLOW];
    is_word(name, |first| first.is_ascii_alphabetic() || first == '_')
        && !name.starts_with("__")
        && !reserved.contains(&name)
}

fn is_word(name: &str, first: impl Fn(char) -> bool) -> bool {
    name.starts_with(first) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_its_unit_and_a_counter_in_total() {
        for (name, unit, counts, accepted) in [
            ("orders_total", Unit::NONE, true, true),
            ("orders", Unit::NONE, true, false),
            ("_total", Unit::NONE, true, false),
            ("orders_total", Unit::NONE, false, false),
            ("cost_dollars_total", Unit::new("dollars"), true, true),
            ("cost_total", Unit::new("dollars"), true, false),
            ("query_duration_seconds", Unit::SECONDS, false, true),
            ("query_duration", Unit::SECONDS, false, false),
            ("query_duration_count", Unit::NONE, false, false),
            ("queue_depth", Unit::NONE, false, true),
            ("7_orders_total", Unit::NONE, true, false),
            ("orders.placed_total", Unit::NONE, true, false),
            ("", Unit::NONE, false, false),
        ] {
            assert_eq!(check_name(name, unit, counts).is_ok(), accepted, "{name} {unit:?}");
        }
    }

    #[test]
    fn labels_that_belong_to_the_format_are_refused() {
        for (name, accepted) in [
            ("route", true),
            ("_x", true),
            ("__name__", false),
            ("le", false),
            ("quantile", false),
            ("otel_metric_overflow", false),
            ("http.route", false),
            ("", false),
        ] {
            assert_eq!(is_label(name), accepted, "{name}");
        }
    }

    #[test]
    fn bounds_ascend() {
        assert!(Bounds::SECONDS.is_valid() && Bounds::BYTES.is_valid());
        for wrong in [vec![], vec![1.0, 1.0], vec![2.0, 1.0], vec![f64::NAN], vec![f64::INFINITY]] {
            assert!(!Bounds::new(wrong.clone()).is_valid(), "{wrong:?}");
        }
        let many: Vec<f64> = (0..65_u32).map(f64::from).collect();
        assert!(!Bounds::new(many).is_valid());
    }
}
