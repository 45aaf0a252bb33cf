//! Counts of durations, in little memory: within 2 % of the truth.

/// Values of one power of two are told apart this finely.
const STEPS_BITS: u32 = 6;
const STEPS: u64 = 1 << STEPS_BITS;

/// Counts values, most of them positive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    min: Option<i64>,
    max: Option<i64>,
}

impl Histogram {
    /// Counts a value; what is below 0 counts as 0, except for the smallest.
    pub(crate) fn add(&mut self, value: i64) {
        let place = place(u64::try_from(value).unwrap_or(0));
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.count += 1;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    /// Returns the smallest value and the largest one.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        self.min.zip(self.max)
    }

    /// Returns the value that so many percent are not above.
    pub(crate) fn percentile(&self, percent: u64) -> i64 {
        let Some((min, max)) = self.range() else { return 0 };
        let rank = (self.count.saturating_mul(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return i64::try_from(top(place)).unwrap_or(i64::MAX).clamp(min, max);
            }
        }
        max
    }
}

/// Small values have a place each, larger ones share it with their neighbours.
fn place(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(STEPS_BITS + 1);
    let place = u64::from(shift) * STEPS + (value >> shift);
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// The largest value of a place.
fn top(place: usize) -> u64 {
    let place = place as u64;
    let shift = (place / STEPS).saturating_sub(1);
    let mantissa = place - shift * STEPS;
    ((mantissa + 1) << shift).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_near_the_top_of_its_place() {
        for value in (0..2000).chain([4095, 4096, 4097, 1_000_000, 123_456_789_012, 1 << 62]) {
            let top = top(place(value));
            assert!(top >= value && top - value <= value / 50, "{value}: {top}");
        }
    }

    #[test]
    fn percentiles_are_right() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50), histogram.range()), (0, None));
        (1..=100).for_each(|value| histogram.add(value));
        assert_eq!([50, 90, 99, 100].map(|percent| histogram.percentile(percent)), [50, 90, 99, 100]);
        assert_eq!(histogram.range(), Some((1, 100)));
        histogram.add(-5);
        assert_eq!(histogram.range(), Some((-5, 100)));
    }
}
