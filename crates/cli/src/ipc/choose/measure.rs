//! Numbers for the occasion.

use std::time::Duration;

use tamtam_ipc_bench::choose::{Evidence, Machine, Needs, Priority, survivors};
use tamtam_ipc_bench::report::Report;
use tamtam_ipc_bench::{Options, Profile, measure};

use crate::exit::{Failure, Outcome};
use crate::ipc::bench;
use crate::run::Run;

/// How long it takes, if the candidates are few.
const TIME: Duration = Duration::from_secs(4);
/// The longest messages that are measured with, in octets: what is true of them is true of longer ones.
const SIZE_MAX: u64 = 8 << 20;

/// Measures whoever is left, with messages as they are needed; `None` if the benchmark knows nobody of them.
pub(super) fn survey(run: &Run, needs: &Needs, machine: &Machine) -> Outcome<Option<Report>> {
    let known = Options::names();
    let names: Vec<String> = survivors(needs, machine)
        .into_iter()
        .filter(|name| known.iter().any(|one| one == name))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    run.tell(&format!("measuring {} for some {} s", names.join(", "), TIME.as_secs()));
    let mut options = Options::new(bench::worker()?, Profile::Quick);
    options.contestants = names;
    options.patterns = Evidence::wants(needs);
    options.sizes = vec![needs.size.min(SIZE_MAX)];
    options.spin = needs.priority == Priority::Latency;
    options.time = Some(TIME);
    let mut bar = bench::Bar::new(run);
    let measured = measure(&options, &mut bar);
    bar.finish();
    run.stop.check()?;
    measured.map(Some).map_err(|unknown| Failure::failed(unknown.to_string()))
}
