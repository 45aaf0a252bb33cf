//! What is to be measured, and for how long.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::contestant::Contestant;
use crate::report::Pattern;

/// What is to be measured, and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The program that plays a worker, and its arguments: it has to call [`worker`](crate::worker).
    pub worker: Vec<OsString>,
    /// The names of who takes part; all if there are none.
    pub contestants: Vec<String>,
    /// What is done; all if there is nothing.
    pub patterns: Vec<Pattern>,
    /// Octets of messages, instead of those that the profile has for each pattern.
    pub sizes: Vec<u64>,
    /// Readers in [`Pattern::FanOut`], instead of those of the profile.
    pub readers: Vec<u32>,
    /// Messages per second in [`Pattern::OneWay`]. By default 10,000, fewer of long messages: at most 200 MB/s.
    pub rate: Option<f64>,
    /// Whether every mechanism is measured spinning as well, not only a ring in shared memory.
    pub spin: bool,
    /// The libzmq to load, instead of the one that is installed. Only so is it allowed to be Tamtam's own.
    pub libzmq: Option<PathBuf>,
    /// How many rounds, instead of the profile's.
    pub rounds: Option<u32>,
    /// How long it shall take in all, instead of the profile's. With many cells it takes longer: each needs some milliseconds.
    pub time: Option<Duration>,
    /// How thorough.
    pub profile: Profile,
}

/// How thorough to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Some five seconds: a first impression.
    Quick,
    /// Some twenty seconds.
    #[default]
    Normal,
    /// Some minutes: all sizes, spinning and sleeping.
    Full,
}

impl Options {
    /// Those of a profile, with this worker.
    #[must_use]
    pub const fn new(worker: Vec<OsString>, profile: Profile) -> Self {
        Self {
            worker,
            contestants: Vec::new(),
            patterns: Vec::new(),
            sizes: Vec::new(),
            readers: Vec::new(),
            rate: None,
            spin: matches!(profile, Profile::Full),
            libzmq: None,
            rounds: None,
            time: None,
            profile,
        }
    }

    /// The names of all who can take part, whether or not they are available here.
    #[must_use]
    pub fn names() -> Vec<String> {
        Contestant::all().into_iter().map(Contestant::name).collect()
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(match self.profile {
            Profile::Quick => 2,
            Profile::Normal => 3,
            Profile::Full => 5,
        })
    }

    pub(crate) fn time(&self) -> Duration {
        let seconds = match self.profile {
            Profile::Quick => 5,
            Profile::Normal => 20,
            Profile::Full => 240,
        };
        self.time.unwrap_or_else(|| Duration::from_secs(seconds))
    }

    /// The sizes that a pattern is measured with, in ascending order.
    pub(crate) fn sizes(&self, pattern: Pattern) -> Vec<u64> {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        let chosen: &[u64] = match (self.profile, pattern) {
            _ if !self.sizes.is_empty() => &self.sizes,
            (_, Pattern::Burst | Pattern::Kill) | (Profile::Quick, Pattern::RoundTrip | Pattern::OneWay) => {
                &[64]
            }
            (Profile::Full, Pattern::FanOut) => &[64, 4 * KIB, 64 * KIB],
            (_, Pattern::FanOut) | (Profile::Normal, Pattern::OneWay) => &[64],
            (Profile::Quick, Pattern::Throughput) => &[64, 64 * KIB],
            (Profile::Normal, Pattern::RoundTrip) => &[64, 64 * KIB],
            (Profile::Normal, Pattern::Throughput) => &[64, 4 * KIB, 64 * KIB, MIB],
            (Profile::Full, _) => &[64, KIB, 4 * KIB, 64 * KIB, MIB, 8 * MIB],
        };
        let mut sizes = chosen.to_vec();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    pub(crate) fn readers(&self, pattern: Pattern) -> Vec<u32> {
        if pattern != Pattern::FanOut {
            return vec![1];
        }
        let mut readers = match self.profile {
            _ if !self.readers.is_empty() => self.readers.clone(),
            Profile::Quick => vec![2],
            Profile::Normal | Profile::Full => vec![1, 2, 8],
        };
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        let wanted = |pattern: &Pattern| self.patterns.is_empty() || self.patterns.contains(pattern);
        Pattern::ALL.iter().copied().filter(wanted).collect()
    }

    /// Messages per second of the open loop.
    pub(crate) fn rate(&self, size: u64) -> f64 {
        /// Octets per second at most: far below what every mechanism can do, so that latency is not that of a queue.
        const OCTETS: f64 = 200e6;
        self.rate.unwrap_or_else(|| (OCTETS / size.max(1) as f64).min(10_000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_has_its_sizes_and_readers() {
        for profile in [Profile::Quick, Profile::Normal, Profile::Full] {
            let options = Options::new(Vec::new(), profile);
            assert_eq!(options.patterns(), Pattern::ALL);
            for pattern in Pattern::ALL {
                assert_eq!(options.sizes(*pattern).first(), Some(&64));
                assert!(!options.readers(*pattern).is_empty());
            }
        }
        let full = Options::new(Vec::new(), Profile::Full);
        assert_eq!(full.sizes(Pattern::Throughput).last(), Some(&(8 << 20)));
        assert_eq!(full.readers(Pattern::FanOut), [1, 2, 8]);
    }

    #[test]
    fn what_is_chosen_rules() {
        let options = Options {
            sizes: vec![100, 5, 100],
            readers: vec![3, 1],
            patterns: vec![Pattern::Kill, Pattern::OneWay],
            rate: Some(5.0),
            rounds: Some(7),
            ..Options::new(Vec::new(), Profile::Quick)
        };
        assert_eq!(options.sizes(Pattern::Burst), [5, 100]);
        assert_eq!((options.readers(Pattern::FanOut), options.readers(Pattern::Kill)), (vec![1, 3], vec![1]));
        assert_eq!(options.patterns(), [Pattern::OneWay, Pattern::Kill]);
        assert_eq!((options.rounds(), options.rate(1)), (7, 5.0));
    }

    #[test]
    fn long_messages_come_less_often() {
        let options = Options::new(Vec::new(), Profile::Normal);
        assert_eq!(options.rate(0), 10_000.0);
        assert_eq!(options.rate(64), 10_000.0);
        assert!(options.rate(8 << 20) < 30.0);
    }
}
