//! What every command works with: the context, the wish to stop, and the global options.

use std::time::Duration;

use tamtam::{DEFAULT_DOMAIN, Node};
use tamtam_zmq::Context;

use crate::args::Global;
use crate::exit::{Failure, Outcome, note};
use crate::stop::Stop;

/// One execution of a command.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) context: Context,
    pub(crate) stop: Stop,
    pub(crate) global: Global,
}

impl Run {
    /// Makes the context and starts to listen for signals.
    pub(crate) fn start(global: Global) -> Outcome<Self> {
        let context = Context::new();
        let stop = Stop::on_signals(&context)
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
        Ok(Self { context, stop, global })
    }

    /// Returns the longest wait for any one thing; `None` is for ever.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.global.timeout
    }

    /// Returns the domain of topics.
    pub(crate) fn domain(&self) -> String {
        let given = self.global.domain.clone();
        given.or_else(|| std::env::var("TAMTAM_DOMAIN").ok()).unwrap_or_else(|| DEFAULT_DOMAIN.to_owned())
    }

    /// Opens a node for this command; its name says so.
    pub(crate) fn node(&self, command: &str) -> Outcome<Node> {
        let mut builder = Node::builder(&format!("tamtam-{command}-{}", std::process::id()));
        // What only looks is not to be seen.
        builder = builder.domain(&self.domain()).hidden();
        for peer in &self.global.peer {
            builder = builder.peer(peer);
        }
        if self.global.lan {
            builder = builder.lan();
        }
        builder.open().map_err(|error| Failure::failed(error.to_string()))
    }

    /// Tells the user something on standard error, unless `--quiet`.
    pub(crate) fn tell(&self, line: &str) {
        if !self.global.quiet {
            note(line);
        }
    }

    /// Tells the user more on standard error, with `--verbose`.
    pub(crate) fn detail(&self, line: &str) {
        if self.global.verbose {
            note(line);
        }
    }
}
