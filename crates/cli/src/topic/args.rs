//! The command line of what takes part in topics and services.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};

use super::field::FieldPath;
use super::filter::Filter;
use super::types::TypePair;
use crate::codec::TypeName;
use crate::units::Bound;
use crate::{complete, help, units};

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Print the messages of a topic, whatever their type is
    #[command(after_long_help = help::after(help::TOPIC_ECHO))]
    Echo(EchoArgs),
    /// Publish messages on a topic
    #[command(after_long_help = help::after(help::TOPIC_PUB))]
    Pub(PubArgs),
    /// Measure how often messages come
    #[command(after_long_help = help::after(help::TOPIC_HZ))]
    Hz(MeasureArgs),
    /// Measure how many bytes come
    #[command(after_long_help = help::after(help::TOPIC_BW))]
    Bw(MeasureArgs),
    /// Measure how long messages are on their way; publisher and this host need one clock
    #[command(after_long_help = help::after(help::TOPIC_DELAY))]
    Delay(MeasureArgs),
    /// Wait until a topic has subscribers, publishers or a message
    #[command(after_long_help = help::after(help::TOPIC_WAIT))]
    Wait(WaitArgs),
    /// Call a service and print its reply
    #[command(after_long_help = help::after(help::TOPIC_CALL))]
    Call(CallArgs),
    /// Offer a service: a command answers the requests
    #[command(after_long_help = help::after(help::TOPIC_SERVE))]
    Serve(ServeArgs),
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Protobuf's text format; octets as text, or as hexadecimal digits where they are none
    Text,
    /// One object a line: topic, seq, stamp, source, publisher, latched, type, message
    Json,
    /// One line a message, below a line with the names of the fields
    Csv,
    /// The body as hexadecimal digits
    Hex,
    /// The body's bytes and nothing between or after them
    Raw,
}

/// `tamtam echo`
#[derive(Clone, Debug, Args)]
pub(crate) struct EchoArgs {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// End after so many messages [default: at the topic's end]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End after the first message
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// Print this field only (repeatable): x, pose.position.x, items.0.name
    #[arg(long, value_name = "FIELD")]
    pub(crate) field: Vec<FieldPath>,
    /// Print only messages for which this holds: 'id > 3 and not (text contains "x")'
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// How messages are printed: text, json, csv, hex or raw [default: text; json with --json]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// Decode as this type where the publisher does not say what it sends
    #[arg(long, value_name = "FILE.proto:TYPE")]
    pub(crate) proto: Option<TypeName>,
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
    /// Connect to this endpoint, too (repeatable)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) connect: Vec<String>,
    /// The publisher is a plain ZeroMQ program, and sends this at its end
    #[arg(long, value_name = "END", value_parser = units::octets, num_args = 0..=1, require_equals = true,
          default_missing_value = "END", requires = "connect")]
    pub(crate) plain: Option<Bytes>,
    /// Tell the publisher here that this subscriber is there (REQ), as the textbook's do
    #[arg(long, value_name = "ENDPOINT", requires = "plain", hide_short_help = true)]
    pub(crate) sync: Option<String>,
    /// The topic has ended when so many publishers have
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) publishers: NonZeroUsize,
    /// Leave out number, time and publisher of each message
    #[arg(long)]
    pub(crate) no_info: bool,
}

/// What happens when a subscriber is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Slow {
    /// Wait for it, at most --timeout
    Block,
    /// Fail
    Error,
    /// It loses its oldest messages
    DropOldest,
    /// It does not get the message
    DropNewest,
}

/// `tamtam pub`
#[derive(Clone, Debug, Args)]
pub(crate) struct PubArgs {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// The type's full name, as the topic's nodes or --proto know it; or bytes
    #[arg(value_name = "TYPE", add = complete::types_or_bytes())]
    pub(crate) type_name: String,
    /// JSON if it begins with {, else Protobuf text; - reads stdin, a message a line
    #[arg(value_name = "DATA", allow_hyphen_values = false, required_unless_present = "from")]
    pub(crate) data: Option<String>,
    /// Publish the lines of a file, each a message as JSON
    #[arg(long, value_name = "FILE.ndjson", conflicts_with = "data")]
    pub(crate) from: Option<PathBuf>,
    /// Publish at this rate (10/s, 100Hz) [default: as fast as they are taken]
    #[arg(long, short, value_name = "RATE", value_parser = units::rate)]
    pub(crate) rate: Option<Duration>,
    /// Publish N messages, over and over; 0: for ever [default: each once]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Publish until Ctrl-C
    #[arg(long, conflicts_with = "count")]
    pub(crate) forever: bool,
    /// Wait for N subscribers first [default: for those there, a second]
    #[arg(long, value_name = "N")]
    pub(crate) wait: Option<usize>,
    /// Wait at the end until all is delivered (else a second)
    #[arg(long)]
    pub(crate) end: bool,
    /// Stay until Ctrl-C at the end, for late subscribers (--latch)
    #[arg(long)]
    pub(crate) stay: bool,
    /// Take the type from this file
    #[arg(long, value_name = "FILE.proto")]
    pub(crate) proto: Option<PathBuf>,
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
    /// Keep the last N messages for subscribers that come later
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) latch: u32,
    /// On overflow: block, error, drop-oldest, drop-newest
    #[arg(long, value_name = "RULE", value_enum, default_value_t = Slow::Block, hide_possible_values = true)]
    pub(crate) qos: Slow,
    /// How many messages may wait for a subscriber
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) depth: u32,
    /// How many bytes may wait for a subscriber, or none for no bound
    #[arg(long, value_name = "SIZE", value_parser = units::bound, default_value = "64MiB", hide_short_help = true)]
    pub(crate) depth_bytes: Bound,
    /// Bind this endpoint, too (repeatable)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) bind: Vec<String>,
    /// Send bodies alone, for plain ZeroMQ programs, and this at the end
    #[arg(long, value_name = "END", value_parser = units::octets, num_args = 0..=1, require_equals = true,
          default_missing_value = "END", requires = "bind")]
    pub(crate) plain: Option<Bytes>,
    /// Answer here (REP) those that say they are there, as the textbook's subscribers do; --wait waits for them
    #[arg(long, value_name = "ENDPOINT", requires = "plain", hide_short_help = true)]
    pub(crate) sync: Option<String>,
}

/// `tamtam hz`, `tamtam bw` and `tamtam delay`
#[derive(Clone, Debug, Args)]
pub(crate) struct MeasureArgs {
    /// The topics
    #[arg(value_name = "TOPIC", required = true, add = complete::topics())]
    pub(crate) topics: Vec<String>,
    /// Measure over the last N messages [default: those since the last line]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) window: Option<u32>,
    /// End after this long [default: at the topics' end]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) duration: Option<Duration>,
    /// End after the first line
    #[arg(long)]
    pub(crate) once: bool,
}

/// `tamtam wait`
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct WaitArgs {
    /// The topic
    #[arg(add = complete::topics())]
    pub(crate) topic: String,
    /// Until there are so many subscribers
    #[arg(long, value_name = "N", group = "what")]
    pub(crate) subscribers: Option<usize>,
    /// Until there are so many publishers
    #[arg(long, value_name = "N", group = "what")]
    pub(crate) publishers: Option<usize>,
    /// Until a message comes
    #[arg(long, group = "what")]
    pub(crate) message: bool,
}

/// `tamtam call`
#[derive(Clone, Debug, Args)]
pub(crate) struct CallArgs {
    /// The service
    #[arg(add = complete::services())]
    pub(crate) service: String,
    /// The request: JSON if it begins with {, else Protobuf text format; - is standard input as a whole
    #[arg(value_name = "DATA", default_value = "")]
    pub(crate) data: String,
    /// The types, where the service does not say them (bytes: octets); needs --proto
    #[arg(long = "type", value_name = "REQ:REPLY", requires = "proto")]
    pub(crate) types: Option<TypePair>,
    /// The file with the types
    #[arg(long, value_name = "FILE.proto", requires = "types")]
    pub(crate) proto: Option<PathBuf>,
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
    /// How the reply is printed: text, json, csv, hex or raw [default: text; json with --json]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
}

/// `tamtam serve`
#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// The service
    pub(crate) service: String,
    /// Run by sh for each request, one at a time: the request comes on stdin, stdout is the reply
    #[arg(long, value_name = "COMMAND", required = true)]
    pub(crate) exec: String,
    /// The types; bytes stands for octets, which need no --proto
    #[arg(long = "type", value_name = "REQ:REPLY", default_value = "bytes")]
    pub(crate) types: TypePair,
    /// The file with the types
    #[arg(long, value_name = "FILE.proto")]
    pub(crate) proto: Option<PathBuf>,
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::args::Cli;

    #[test]
    fn short_help_fits_a_screen() {
        let mut command = Cli::command();
        command.build();
        for name in ["echo", "pub", "hz", "bw", "delay", "wait", "call", "serve"] {
            let lines =
                command.find_subcommand_mut(name).map(|c| c.render_help().to_string().lines().count());
            assert!(lines.is_some_and(|lines| lines <= 40), "{name}: {lines:?} lines");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "echo",
            "echo /a --filter x",
            "echo /a --field a..b",
            "echo /a --plain",
            "echo /a --once -n 2",
            "pub /a bytes",
            "pub /a bytes x --from f",
            "pub /a bytes x -r 0",
            "hz",
            "hz /a --window 1",
            "wait /a",
            "call /a x --type A:B",
            "serve /a",
        ] {
            assert!(Cli::try_parse_from(["tamtam"].into_iter().chain(wrong.split(' '))).is_err(), "{wrong}");
        }
    }
}
