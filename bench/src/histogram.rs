//! How often something took how long, in little memory.

use crate::line::Latency;

/// Steps between one power of two and the next: a value is known to some three per cent.
const STEPS: u64 = 32;
const STEPS_LOG: u32 = STEPS.ilog2();
const BUCKETS: usize = 64 * STEPS as usize;

/// Counts of durations in nanoseconds, on a scale that is as fine everywhere.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts nothing yet.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts one.
    #[inline]
    pub(crate) fn add(&mut self, ns: u64) {
        if let Some(count) = self.counts.get_mut(bucket(ns)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Returns what so many in a thousand do not exceed; `None` if there is nothing.
    pub(crate) fn quantile(&self, per_mille: u64) -> Option<u64> {
        let rank = (self.total.checked_mul(per_mille)?).div_ceil(1000).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(index))
    }

    /// Returns median and 99th percentile.
    pub(crate) fn latency(&self) -> Option<Latency> {
        Some(Latency { median_ns: self.quantile(500)?, p99_ns: self.quantile(990)? })
    }
}

/// Below twice [`STEPS`], each value has a bucket of its own; then each power of two has as many.
fn bucket(ns: u64) -> usize {
    let shift = (64 - ns.leading_zeros()).saturating_sub(STEPS_LOG + 1);
    // Small numbers: the shifted value is below twice the steps, and the shift below 64.
    (u64::from(shift) * STEPS + (ns >> shift)) as usize
}

fn middle(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    let low = (index - shift * STEPS) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_has_a_bucket_that_is_near_it() {
        let mut last = 0;
        for ns in (0..200).chain(
            (8..60).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + (1 << (power - 1))]),
        ) {
            let index = bucket(ns);
            assert!(index >= last && index < BUCKETS, "{ns}");
            last = index;
            assert!(middle(index).abs_diff(ns) <= ns / STEPS, "{ns} is counted as {}", middle(index));
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles() {
        assert_eq!(Histogram::new().latency(), None);
        let mut histogram = Histogram::new();
        (1..=60).for_each(|ns| histogram.add(ns));
        assert_eq!(
            (histogram.quantile(500), histogram.quantile(1000), histogram.quantile(0)),
            (Some(30), Some(60), Some(1))
        );
        assert_eq!(histogram.quantile(990), Some(60));
    }
}
