//! Figures made of samples.

/// What one contender took for an operation, sample by sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

/// A median, and what it lies between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Samples {
    /// Samples in the order in which they were taken.
    #[must_use]
    pub const fn new(samples: Vec<f64>) -> Self {
        Self(samples)
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The median with the least and the most. Zero if there is no sample.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(at(middle.saturating_sub(1)), at(middle)),
            _ => at(middle),
        };
        Figure { median, min: at(0), max: at(sorted.len().saturating_sub(1)) }
    }

    /// Each sample over the one that `others` took in the same round: what disturbed both cancels
    /// out.
    #[must_use]
    pub fn over(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(own, other)| own / other).collect())
    }

    /// Each sample less the one that `others` took in the same round.
    #[must_use]
    pub fn less(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(own, other)| own - other).collect())
    }
}

impl Figure {
    /// A figure that was counted, not sampled.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { median: value, min: value, max: value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_an_outlier_does_not_move_it() {
        let figure = Samples::new(vec![3.0, 1.0, 900.0, 2.0, 4.0]).figure();
        assert_eq!(figure, Figure { median: 3.0, min: 1.0, max: 900.0 });
        assert_eq!(Samples::new(vec![1.0, 2.0]).figure().median, 1.5);
        assert_eq!(Samples::default().figure(), Figure::exact(0.0));
    }

    #[test]
    fn a_disturbance_of_one_round_cancels_out_of_the_ratio() {
        let ours = Samples::new(vec![10.0, 50.0, 10.0]);
        let peer = Samples::new(vec![20.0, 100.0, 20.0]);
        assert_eq!(ours.over(&peer).figure(), Figure::exact(0.5));
        assert_eq!(peer.less(&ours).figure().median, 10.0);
    }
}
