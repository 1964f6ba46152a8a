//! The decision which traces are recorded. Pure: it depends only on the trace.

use hardpoint_core::TraceContext;

/// A sampler of OpenTelemetry, as `OTEL_TRACES_SAMPLER` names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampler {
    /// Whether the caller's decision counts, if there is a caller.
    pub(super) parent_based: bool,
    pub(super) root: Root,
}

/// The decision for a trace that starts here, or for all traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Root {
    Always,
    Never,
    /// The traces whose id is below this bound, of 2^63.
    Below(u64),
}

impl Sampler {
    /// Records what the caller recorded, and every trace that starts here.
    pub(super) const DEFAULT: Self = Self { parent_based: true, root: Root::Always };

    /// Whether the trace is recorded.
    #[inline]
    pub(super) fn samples(self, trace: TraceContext) -> bool {
        if self.parent_based && trace.parent_id.is_some() {
            return trace.is_sampled();
        }
        match self.root {
            Root::Always => true,
            Root::Never => false,
            Root::Below(bound) => {
                // The same half of the id, without its highest bit, as in OpenTelemetry's SDKs: a
                // trace is recorded by all services with the same ratio or by none.
                let [.., a, b, c, d, e, f, g, h] = trace.trace_id.to_bytes();
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) < bound
            }
        }
    }
}

impl Root {
    /// Records this part of the traces. Returns `None` unless the ratio is from 0 to 1.
    pub(super) fn ratio(ratio: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&ratio) {
            return None;
        }
        if ratio >= 1.0 {
            return Some(Self::Always);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "below 2^63 and not negative; the lowest bits do not matter"
        )]
        let bound = (ratio * (1_u64 << 63) as f64) as u64;
        Some(Self::Below(bound))
    }
}

#[cfg(test)]
mod tests {
    use hardpoint_core::{SpanId, TraceId};
    use proptest::prelude::*;

    use super::*;

    fn trace(id: u128, parent: bool, flags: u8) -> TraceContext {
        let parent = parent.then(|| SpanId::from_bytes([1; 8])).flatten();
        TraceContext::new(TraceId::from_bytes(id.to_be_bytes()).unwrap(), parent, flags)
    }

    #[test]
    fn the_caller_decides_if_there_is_one_and_the_sampler_asks_it() {
        let root = Root::Never;
        let asks = Sampler { parent_based: true, root };
        let ignores = Sampler { parent_based: false, root };
        assert!(asks.samples(trace(1, true, 1)) && !asks.samples(trace(1, true, 0)));
        assert!(!asks.samples(trace(1, false, 1)), "the flag of a new trace is ours");
        assert!(!ignores.samples(trace(1, true, 1)));
        assert!(Sampler::DEFAULT.samples(trace(1, false, 0)));
        assert!(!Sampler::DEFAULT.samples(trace(1, true, 0)));
    }

    #[test]
    fn a_ratio_is_from_0_to_1() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Root::ratio(wrong), None, "{wrong}");
        }
        assert_eq!(Root::ratio(1.0), Some(Root::Always));
        assert_eq!(Root::ratio(0.0), Some(Root::Below(0)));
        assert_eq!(Root::ratio(0.5), Some(Root::Below(1 << 62)));
    }

    proptest! {
        #[test]
        fn a_higher_ratio_records_every_trace_that_a_lower_one_records(
            id in 1..u128::MAX,
            low in 0.0..=1.0_f64,
            more in 0.0..=1.0_f64,
        ) {
            let sampler = |ratio| Sampler { parent_based: false, root: Root::ratio(ratio).unwrap() };
            let high = low + (1.0 - low) * more;
            let trace = trace(id, false, 0);
            prop_assert!(!sampler(low).samples(trace) || sampler(high).samples(trace));
        }
    }
}
