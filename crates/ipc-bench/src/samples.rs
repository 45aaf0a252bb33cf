//! Latency samples: gathered in one process, merged in another.

use hdrhistogram::Histogram;

use crate::report::{Figure, Latency, Point};

/// The longest latency that is kept apart: a minute. Longer ones count as that long.
const LONGEST: u64 = 60_000_000_000;
/// Significant digits that are kept.
const DIGITS: u8 = 3;

/// Gathers samples in nanoseconds, within three significant digits.
#[derive(Debug)]
pub(crate) struct Samples(Option<Histogram<u64>>);

/// Samples on their way: values with how often they came, in ascending order.
pub(crate) type Counts = Vec<(u64, u64)>;

impl Samples {
    pub(crate) fn new() -> Self {
        // The bounds are constants that fit: without a histogram nothing would be recorded.
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).ok())
    }

    pub(crate) fn record(&mut self, ns: u64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(ns);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let recorded = self.0.iter().flat_map(Histogram::iter_recorded);
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    fn of(rounds: &[Counts]) -> Self {
        let mut all = Self::new();
        if let Some(histogram) = &mut all.0 {
            for (value, count) in rounds.iter().flatten() {
                histogram.saturating_record_n(*value, *count);
            }
        }
        all
    }

    fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(histogram.value_at_quantile(share) as f64)
    }

    fn max(&self) -> Option<f64> {
        self.quantile(1.0)
    }
}

/// Beyond a percentile have to lie so many samples, or it says nothing.
const BEYOND: f64 = 10.0;

/// Sums up the samples of all rounds; `None` if there are none.
pub(crate) fn latency(rounds: &[Counts]) -> Option<Latency> {
    let all = Samples::of(rounds);
    let each: Vec<Samples> = rounds.iter().map(|round| Samples::of(std::slice::from_ref(round))).collect();
    let figure = |share: f64| {
        let rounds = each.iter().filter_map(|round| round.quantile(share));
        all.quantile(share).map(|value| Figure::around(value, rounds))
    };
    let enough = |share: f64| figure(share).filter(|_| all.len() as f64 * (1.0 - share) >= BEYOND - 1e-6);
    Some(Latency {
        p50: figure(0.5)?,
        p90: enough(0.9),
        p99: enough(0.99),
        p999: enough(0.999),
        max: Figure::around(all.max()?, each.iter().filter_map(Samples::max)),
        samples: all.len(),
        curve: curve(&all),
    })
}

/// The distribution at shares that lie evenly on a plot of its tail: 0, half, then ever closer to 1.
fn curve(samples: &Samples) -> Vec<Point> {
    let below = (0..=9).map(|step| f64::from(step) * 0.05);
    // Six steps for each factor of ten, until the samples end.
    let beyond = (0..).map(|step| 0.5 * 10_f64.powf(-f64::from(step) / 6.0));
    let rest = 1.0 / samples.len().max(1) as f64;
    let beyond = beyond.take_while(|left| *left > rest).map(|left| 1.0 - left);
    let shares = below.chain(beyond).chain([1.0]);
    shares.filter_map(|share| Some(Point { share, ns: samples.quantile(share)? as u64 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: impl IntoIterator<Item = u64>) -> Counts {
        let mut samples = Samples::new();
        values.into_iter().for_each(|value| samples.record(value));
        samples.counts()
    }

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected * 0.002
    }

    #[test]
    fn percentiles_are_those_of_all_samples_and_the_spread_that_of_the_rounds() {
        let rounds = [counts((1..=5_000).map(|n| n * 10)), counts((5_001..=10_000).map(|n| n * 10))];
        let latency = latency(&rounds).expect("samples");
        assert_eq!(latency.samples, 10_000);
        assert!(is_near(latency.p50.value, 50_000.0), "{latency:?}");
        assert!(is_near(latency.p50.low, 25_000.0) && is_near(latency.p50.high, 75_000.0));
        assert!(is_near(latency.p99.expect("enough").value, 99_000.0));
        assert!(is_near(latency.p999.expect("enough").value, 99_900.0));
        assert!(is_near(latency.max.value, 100_000.0) && is_near(latency.max.low, 50_000.0));
        let shares: Vec<f64> = latency.curve.iter().map(|point| point.share).collect();
        assert!(shares.is_sorted() && shares.first() == Some(&0.0) && shares.last() == Some(&1.0));
        assert!(latency.curve.iter().map(|point| point.ns).is_sorted());
        assert!(latency.curve.len() < 60, "{}", latency.curve.len());
    }

    #[test]
    fn too_few_samples_have_no_tail() {
        assert_eq!(latency(&[]), None);
        assert_eq!(latency(&[Vec::new()]), None);
        let few = latency(&[counts(1..=99)]).expect("samples");
        assert_eq!((few.p90, few.p99, few.p999), (None, None, None));
        let some = latency(&[counts(1..=1_000)]).expect("samples");
        assert!(some.p90.is_some() && some.p99.is_some() && some.p999.is_none());
    }

    #[test]
    fn what_takes_too_long_counts_as_very_long() {
        let latency = latency(&[counts([u64::MAX, 0])]).expect("samples");
        assert!(is_near(latency.max.value, LONGEST as f64));
    }
}
