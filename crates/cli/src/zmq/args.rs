//! The command lines of `tamtam zmq …`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use tamtam_zmq::SocketType;

use super::security::SecurityArgs;
use crate::codec::TypeName;
use crate::output::Format;
use crate::units::Bound;
use crate::{help, units};

/// The socket types and tools.
#[derive(Debug, Subcommand)]
#[command(after_long_help = help::after(help::MAIN))]
pub(crate) enum ZmqCommand {
    /// Publish messages to every subscriber that wants them
    #[command(after_long_help = help::after(help::PUB))]
    Pub(PubArgs),
    /// Print the messages of publishers
    #[command(after_long_help = help::after(help::SUB))]
    Sub(SubArgs),
    /// Share messages out among PULL sockets
    #[command(after_long_help = help::after(help::PUSH))]
    Push(PushArgs),
    /// Print the messages of PUSH sockets
    #[command(after_long_help = help::after(help::PULL))]
    Pull(PullArgs),
    /// Send requests, print the replies
    #[command(after_long_help = help::after(help::REQ))]
    Req(ReqArgs),
    /// Print requests and answer them, with the same or with --reply
    #[command(after_long_help = help::after(help::REP))]
    Rep(RepArgs),
    /// Send and print at the same time, over a DEALER socket
    #[command(after_long_help = help::after(help::DEALER))]
    Dealer(ExchangeArgs),
    /// Send and print at the same time, over a ROUTER socket: the first frame is the peer's routing id
    #[command(after_long_help = help::after(help::ROUTER))]
    Router(RouterArgs),
    /// Send and print at the same time, over a PAIR socket
    #[command(after_long_help = help::after(help::PAIR))]
    Pair(ExchangeArgs),
    /// Pass messages on between two sockets
    #[command(after_long_help = help::after(help::PROXY))]
    Proxy(ProxyArgs),
    /// Print what happens to a socket's connections; it takes part as a real peer
    #[command(after_long_help = help::after(help::MONITOR))]
    Monitor(MonitorArgs),
    /// Make a key pair for CURVE (--curve-server, --curve-client)
    #[command(after_long_help = help::after(help::KEYGEN))]
    Keygen(KeygenArgs),
}

/// Where a socket is attached, and how it behaves there.
#[derive(Clone, Debug, Args)]
pub(crate) struct LinkArgs {
    /// Endpoints to connect to; one with a wildcard (tcp://*:5561, tcp://127.0.0.1:*) is bound
    #[arg(value_name = "ENDPOINT", required_unless_present_any = ["bind", "connect"])]
    pub(crate) endpoints: Vec<String>,
    /// Bind this endpoint (repeatable)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) bind: Vec<String>,
    /// Connect to this endpoint (repeatable)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) connect: Vec<String>,
    /// Routing id to announce: text, or 0x and hexadecimal digits
    #[arg(long, value_name = "ID", value_parser = units::octets)]
    pub(crate) identity: Option<Bytes>,
    /// How long unsent messages are kept at the end
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = units::duration)]
    pub(crate) linger: Duration,
    /// High-water mark of both directions in messages a peer; 0 is no bound [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) hwm: Option<u32>,
    /// High-water mark of both directions in bytes a peer, or none [default: none]
    #[arg(long, value_name = "SIZE", value_parser = units::bound, default_value = "none", hide_short_help = true,
          hide_default_value = true)]
    pub(crate) hwm_bytes: Bound,
    /// Print the socket's statistics on standard error at the end
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(crate) security: SecurityArgs,
}

/// Where the messages come from: --message, --file, or the lines of standard input.
#[derive(Clone, Debug, Args)]
pub(crate) struct InputArgs {
    /// Send this (repeatable) instead of the lines of standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Vec<String>,
    /// Send this file as one message (repeatable; - is standard input)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// How the input is written: text, hex, json or raw
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = InputFormat::Text, hide_possible_values = true)]
    pub(crate) input: InputFormat,
    /// Encode the input (JSON or Protobuf text format) as this type
    #[arg(long, value_name = "FILE.proto:TYPE")]
    pub(crate) encode: Option<TypeName>,
    /// Send at this rate (100Hz)
    #[arg(long, short, value_name = "RATE", value_parser = units::rate)]
    pub(crate) rate: Option<Duration>,
}

/// How the input is written. `--format` of a receiving command writes what `--input` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// One frame: a line, a --message or a file
    Text,
    /// Frames as hexadecimal digits, separated by single blanks
    Hex,
    /// Frames as ["text",{"hex":"00ff"}] or {"frames":[…]}
    Json,
    /// One frame; standard input as a whole
    Raw,
}

/// How received messages are shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How messages are printed: text, hex, json or raw [default: text; json with --json]
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,
    /// Decode the last frame as this type
    #[arg(long, value_name = "FILE.proto:TYPE")]
    pub(crate) decode: Option<TypeName>,
}

/// Where .proto files are looked up.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProtoArgs {
    /// Folder for imports of .proto files (repeatable)
    #[arg(long, short = 'I', value_name = "FOLDER")]
    pub(crate) proto_path: Vec<PathBuf>,
}

/// `tamtam zmq pub`
#[derive(Clone, Debug, Args)]
pub(crate) struct PubArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// Send this many messages, --message and --file over and over [default: each once]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Put this frame before each message
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: Option<String>,
    /// Wait for this many subscribers first
    #[arg(long, short, value_name = "N")]
    pub(crate) wait: Option<usize>,
    /// Send this bare frame last
    #[arg(long, value_name = "MARKER")]
    pub(crate) end: Option<String>,
    /// Drop messages for slow subscribers instead of waiting for them
    #[arg(long)]
    pub(crate) drop: bool,
}

/// `tamtam zmq sub`
#[derive(Clone, Debug, Args)]
pub(crate) struct SubArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// End after this many messages
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Only messages that begin with this (repeatable) [default: all]
    #[arg(long, visible_alias = "subscribe", value_name = "PREFIX")]
    pub(crate) topic: Vec<String>,
    /// End at this bare frame
    #[arg(long, value_name = "MARKER")]
    pub(crate) end: Option<String>,
}

/// `tamtam zmq push`
#[derive(Clone, Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// Send this many messages, --message and --file over and over [default: each once]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Send this bare frame last
    #[arg(long, value_name = "MARKER")]
    pub(crate) end: Option<String>,
}

/// `tamtam zmq pull`
#[derive(Clone, Debug, Args)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// End after this many messages
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End at this bare frame
    #[arg(long, value_name = "MARKER")]
    pub(crate) end: Option<String>,
}

/// `tamtam zmq req`
#[derive(Clone, Debug, Args)]
pub(crate) struct ReqArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// Send this many requests, --message and --file over and over [default: each once]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// `tamtam zmq rep`
#[derive(Clone, Debug, Args)]
pub(crate) struct RepArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// Answer this instead of the request itself
    #[arg(long, value_name = "TEXT")]
    pub(crate) reply: Option<String>,
    /// Encode the reply (JSON or Protobuf text format) as this type
    #[arg(long, value_name = "FILE.proto:TYPE", requires = "reply")]
    pub(crate) encode: Option<TypeName>,
    /// End after this many requests
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// `tamtam zmq dealer`, `tamtam zmq pair`
#[derive(Clone, Debug, Args)]
pub(crate) struct ExchangeArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) proto: ProtoArgs,
    /// End when this many messages were received, and --message and --file are sent; 0 only sends [default: never]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// `tamtam zmq router`
#[derive(Clone, Debug, Args)]
pub(crate) struct RouterArgs {
    #[command(flatten)]
    pub(crate) exchange: ExchangeArgs,
    /// Put this routing id (text, or 0x and hexadecimal digits) before each message
    #[arg(long, value_name = "ID", value_parser = units::octets)]
    pub(crate) to: Option<Bytes>,
}

/// `tamtam zmq proxy`
#[derive(Clone, Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Where the first socket is bound
    pub(crate) front: String,
    /// Where the second socket is bound
    pub(crate) back: String,
    /// Connect the first socket instead
    #[arg(long)]
    pub(crate) connect_front: bool,
    /// Connect the second socket instead
    #[arg(long)]
    pub(crate) connect_back: bool,
    /// The sockets' types, front first: xsub:xpub, router:dealer or pull:push
    #[arg(long, value_enum, default_value_t = ProxyTypes::XsubXpub, hide_possible_values = true)]
    pub(crate) types: ProxyTypes,
    /// Publish a copy of everything on a PUB socket bound here
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) capture: Option<String>,
    /// High-water mark of both directions in messages a peer; 0 is no bound [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) hwm: Option<u32>,
    /// High-water mark of both directions in bytes a peer, or none [default: none]
    #[arg(long, value_name = "SIZE", value_parser = units::bound, default_value = "none", hide_short_help = true,
          hide_default_value = true)]
    pub(crate) hwm_bytes: Bound,
    /// Print the sockets' statistics on standard error at the end
    #[arg(long)]
    pub(crate) stats: bool,
}

/// The pairs of sockets that a proxy can stand between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyTypes {
    /// Publishers in front, subscribers at the back
    #[value(name = "xsub:xpub")]
    XsubXpub,
    /// Requesters in front, repliers at the back
    #[value(name = "router:dealer")]
    RouterDealer,
    /// PUSH sockets in front, PULL sockets at the back
    #[value(name = "pull:push")]
    PullPush,
}

/// `tamtam zmq monitor`
#[derive(Clone, Debug, Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// The type of the socket that is attached
    #[arg(long = "type", value_name = "TYPE", default_value = "sub", value_parser = socket_type)]
    pub(crate) socket_type: SocketType,
    /// End after this many events
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// `tamtam zmq keygen`
#[derive(Clone, Debug, Args)]
pub(crate) struct KeygenArgs {
    /// Write both keys to this new file, which only its owner may read, and the public key to FILE.pub [default: print both]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn socket_type(text: &str) -> Result<SocketType, String> {
    text.to_ascii_uppercase().parse().map_err(|_| {
        "not a socket type (try pub, sub, push, pull, req, rep, dealer, router, pair, xpub, xsub or stream)".to_owned()
    })
}
