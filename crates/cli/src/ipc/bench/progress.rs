//! How far a measurement is, for who watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tamtam_ipc_bench::{Progress, Watcher};

use crate::run::Run;
use crate::stop::Stop;

/// A bar on standard error, if that is a terminal; and the wish to stop.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    stop: Stop,
}

impl Bar {
    pub(crate) fn new(run: &Run) -> Self {
        // On anything but a terminal the bar hides by itself.
        let target =
            if run.global.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, stop: run.stop.clone() }
    }

    /// Leaves nothing of it on the terminal.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Bar {
    fn progress(&mut self, progress: &Progress<'_>) {
        self.bar.set_length(progress.all);
        self.bar.set_position(progress.done);
        self.bar.set_prefix(format!("{} s left", progress.left.as_secs()));
        self.bar.set_message(progress.next.to_owned());
    }

    fn is_stopped(&self) -> bool {
        self.stop.reason().is_some()
    }
}
