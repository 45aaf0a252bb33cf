//! What is done, and how is waited.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal, $title:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// All of them, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in reports and on the command line.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What people call it.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// The one of this name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.text() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.text())
            }
        }
    };
}

words! {
    /// What is done with a link, and what is measured of it.
    Pattern {
        /// One message there and back, then the next. A latency sample is the whole way, there and back.
        RoundTrip => "round-trip", "round trip";
        /// Messages one way at a fixed rate, in an open loop: each has a moment at which it is due, whether or not the ones before it are through. A
        /// latency sample is the time from that moment to the return of the receiving call, so a stall counts for all messages that it delays.
        OneWay => "one-way", "one-way latency at a fixed rate";
        /// Messages one way as fast as they go. Counted are those received.
        Throughput => "throughput", "throughput";
        /// The same to several readers, each of which gets every message. Rates count messages, not copies. A mechanism from point to point is given one
        /// link for each reader, and the sender sends to each in turn: that is what it costs there.
        FanOut => "fan-out", "fan-out";
        /// Many messages at once to a reader that takes its time for each: what is lost, how long the sender is held up, what memory it takes.
        Burst => "burst", "burst against a slow reader";
        /// A stream whose reader is killed (SIGKILL): what the sender is told, and after how long.
        Kill => "kill", "reader killed mid-stream";
    }
}

words! {
    /// How both ends wait for what is not there yet.
    Waiting {
        /// They sleep in the kernel.
        Block => "block", "sleeping";
        /// They look again and again for a while ([`Settings::spin_us`](super::Settings::spin_us)), then sleep.
        Spin => "spin", "spinning";
        /// As the library decides, with its default options.
        Library => "library", "as the library decides";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reports() {
        for pattern in Pattern::ALL {
            let json = serde_json::to_string(pattern).expect("a name");
            assert_eq!(json, format!("{:?}", pattern.text()));
            assert_eq!(Pattern::by_name(pattern.text()), Some(*pattern));
        }
        assert_eq!(Waiting::by_name("spin"), Some(Waiting::Spin));
        assert_eq!(Pattern::by_name("pigeon"), None);
    }
}
