//! The command line: one definition that yields parsing, help and completion.

use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::demo::Task;
use crate::ipc::args::IpcCommand;
use crate::look::args::LookCommand;
use crate::topic::args::TopicCommand;
use crate::zmq::args::ZmqCommand;
use crate::{help, units};

/// Typed messages between programs, over ZeroMQ sockets and without a broker.
#[derive(Debug, Parser)]
#[command(
    name = "tamtam",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = help::after(help::MAIN)
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print one JSON object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Colour the output: auto, always or never (NO_COLOR is obeyed)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: ColorChoice,
    /// Wait at most this long for any one thing, such as the next message or the subscribers (5s, 250ms)
    #[arg(long, global = true, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
    /// The domain: nodes see only those of the same one (default: $TAMTAM_DOMAIN, else "default")
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) domain: Option<String>,
    /// Ask this node on another host, too, and those it knows (tcp://host:7400); may be given several times
    #[arg(long, global = true, value_name = "ENDPOINT")]
    pub(crate) peer: Vec<String>,
    /// Find nodes on the local network, too: those that are open to it
    #[arg(long, global = true)]
    pub(crate) lan: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value, made once")]
pub(crate) enum Command {
    /// Run one publisher and some subscribers in real processes, and count what arrived
    #[command(after_long_help = help::after(help::DEMO))]
    Demo(DemoArgs),
    /// One subscriber of the demo, started by it.
    #[command(hide = true)]
    DemoSubscriber(Task),
    /// What looks at the graph of topics.
    #[command(flatten)]
    Look(LookCommand),
    /// What takes part in it.
    #[command(flatten)]
    Topic(TopicCommand),
    /// The operating system's own mechanisms: pipes, sockets, queues, signals, shared memory
    #[command(subcommand)]
    Ipc(IpcCommand),
    /// Use one raw ZeroMQ socket
    #[command(subcommand)]
    Zmq(ZmqCommand),
    /// Write a shell's completion script; it knows topics, types, nodes and services, too
    #[command(after_long_help = help::after(help::COMPLETION))]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Options of `tamtam demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many subscribers
    #[arg(long, short = 'n', value_name = "N", default_value_t = 3,
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=1000))]
    pub(crate) subscribers: u32,
    /// How many messages each of them is to get
    #[arg(long, short, value_name = "N", default_value_t = 100_000,
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=2_147_483_647))]
    pub(crate) messages: u32,
    /// How they are connected; with inproc the subscribers are threads
    #[arg(long, short, value_enum, default_value_t = Transport::Ipc)]
    pub(crate) transport: Transport,
    /// Use raw ZeroMQ sockets instead of a typed topic; with inproc that is always so
    #[arg(long)]
    pub(crate) plain: bool,
    /// Bytes of padding in each message's text (64, 4kB, 1MiB)
    #[arg(long, short, value_name = "BYTES", default_value = "0", value_parser = units::size)]
    pub(crate) size: u32,
}

/// The transports of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Unix domain sockets
    Ipc,
    /// TCP on the loopback interface
    Tcp,
    /// Queues between threads of one process
    Inproc,
}

impl Transport {
    /// Returns the name, as in an endpoint.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ipc => "ipc",
            Self::Tcp => "tcp",
            Self::Inproc => "inproc",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn short_help_fits_a_screen() {
        let mut command = Cli::command();
        command.build();
        for name in ["demo", "zmq"] {
            let lines =
                command.find_subcommand_mut(name).map(|c| c.render_help().to_string().lines().count());
            assert!(lines.is_some_and(|lines| lines <= 40), "{name}: {lines:?} lines");
        }
    }
}
