//! What the commands about mechanisms take.

use clap::Subcommand;

use crate::help;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum IpcCommand {
    /// Explain a mechanism, with the limits of this machine and a program; without one, list all
    #[command(after_long_help = help::after(help::EXPLAIN))]
    Explain {
        /// Its name, as the list has it
        mechanism: Option<String>,
    },
}
