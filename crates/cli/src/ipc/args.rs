//! What the commands about mechanisms take.

use clap::Subcommand;

use super::choose::args::ChooseArgs;
use crate::help;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum IpcCommand {
    /// Choose a way to communicate: asks what is needed, and recommends one of the mechanisms, sockets and topics
    #[command(after_long_help = help::after(help::CHOOSE))]
    Choose(Box<ChooseArgs>),
    /// Explain a mechanism, with the limits of this machine and a program; without one, list all
    #[command(after_long_help = help::after(help::EXPLAIN))]
    Explain {
        /// Its name, as the list has it
        mechanism: Option<String>,
    },
}
