//! The cells of the table, with the bars of the design.

use crate::args::Args;
use crate::bar::Bar;
use crate::engine::drop_in_library;
use crate::failure::{Failure, Outcome};
use crate::metric::Metric;
use crate::rivals::plays;
use crate::spec::Contestant::{
    self, DropIn, Frames, Gazebo, Iceoryx2, Libzmq, LibzmqSystem, Nats, RawBlocking, RawSpinning, Ros,
    Tamtam, Topic, Zenoh,
};
use crate::spec::Conversation::{DealerRouter, Pair, PubSub, ReqRep};
use crate::spec::Transport::{self, Inproc, Ipc, Tcp};
use crate::spec::{Conversation, RIVALS, Work};

/// One workload in one setting.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) work: Work,
    pub(crate) transport: Transport,
    pub(crate) size: usize,
    pub(crate) subscribers: usize,
    /// In the order of their turns.
    pub(crate) contestants: Vec<Contestant>,
    /// A row of the table for each.
    pub(crate) metrics: Vec<(Metric, Option<Bar>)>,
    /// Whose figures the bars are for.
    pub(crate) judged: Contestant,
    pub(crate) hwm: Option<u32>,
    pub(crate) spin: bool,
    pub(crate) pinned: bool,
    /// Whether connections are encrypted.
    pub(crate) curve: bool,
    /// Messages per second that PUSH keeps to.
    pub(crate) pace: Option<u64>,
    /// Whether a sender that keeps a pace spins until the next message is due.
    pub(crate) awake: bool,
    /// Whether others keep every CPU busy meanwhile.
    pub(crate) busy: bool,
    /// Messages in the first round; later rounds take as many as fill the time, unless the count is fixed.
    pub(crate) count: u64,
    pub(crate) fixed_count: bool,
    pub(crate) quick: bool,
    /// Whether system calls are counted by default.
    pub(crate) traced: bool,
}

impl Cell {
    /// Returns whether rivals take part; such cells are measured when they are asked for by name.
    pub(crate) fn has_rivals(&self) -> bool {
        self.name.starts_with(RIVALS_PREFIX)
    }

    /// Returns which libzmq ours is set beside.
    pub(crate) fn libzmq(&self) -> Contestant {
        if self.contestants.contains(&Libzmq) { Libzmq } else { LibzmqSystem }
    }
}

/// What the design's table has and this program cannot measure yet.
pub(crate) const NOT_MEASURED: &[(&str, &str)] = &[
    ("shm", "Tamtam does not offer it yet"),
    (
        "libzmq with C++",
        "the textbook program's figures here are libzmq driven from Rust, Protobuf coded by hand",
    ),
];

/// Returns the cells that the arguments choose.
pub(crate) fn chosen(args: &Args) -> Outcome<Vec<Cell>> {
    let mut cells = all(args.quick);
    cells.retain(|cell| !cell.has_rivals() || args.only.iter().any(|pattern| pattern.starts_with("rivals")));
    cells.retain(|cell| {
        (!args.quick || cell.quick || !args.only.is_empty())
            && (args.only.is_empty() || args.only.iter().any(|pattern| cell.name.contains(pattern.as_str())))
    });
    for cell in &mut cells {
        if matches!(cell.work, Work::Latency(_) | Work::Throughput) {
            cell.hwm = args.hwm;
        }
        cell.contestants.retain(|contestant| args.peers.is_empty() || args.peers.contains(contestant));
    }
    cells.retain(|cell| !cell.contestants.is_empty());
    if cells.is_empty() {
        return Err(Failure::new("no cell has such a name and peer; see --list"));
    }
    Ok(cells)
}

fn all(quick: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    latency(&mut cells);
    busy_machine(&mut cells);
    throughput(&mut cells);
    rates(&mut cells);
    fanin(&mut cells);
    threads(&mut cells);
    encrypted(&mut cells);
    fanout(&mut cells);
    for subscribers in [1, 10] {
        cells.push(textbook(subscribers, if quick { 100_000 } else { 1_000_000 }));
    }
    topics(&mut cells);
    connections(&mut cells);
    rivals(&mut cells);
    cells
}

fn latency(cells: &mut Vec<Cell>) {
    let plain = |conversation, transport, size| {
        let bar = match (transport, size) {
            (Ipc, 64) => Bar::MostTimes(1.5, RawSpinning),
            (Tcp, 64) => Bar::MostTimes(1.4, RawSpinning),
            (Inproc, 64) => Bar::Most(400.0, Metric::HalfRoundTrip),
            _ => Bar::MostTimes(1.0, Libzmq),
        };
        let raw = match (transport, size) {
            (Inproc, 64) => &[RawSpinning][..],
            (Inproc, _) => &[],
            (_, 64) if conversation == ReqRep => &[RawSpinning, RawBlocking],
            (_, 64) => &[RawSpinning],
            _ => &[RawBlocking],
        };
        conversation_cell("latency", conversation, transport, size, raw, bar)
    };
    for transport in [Ipc, Tcp, Inproc] {
        for size in SIZES {
            let mut cell = plain(ReqRep, transport, size);
            cell.quick = size == 64 || (size == MIB && transport != Inproc);
            cells.push(cell);
        }
        cells.push(plain(DealerRouter, transport, 64));
        cells.push(plain(Pair, transport, 64));
    }
    for transport in [Ipc, Tcp] {
        let bar = Bar::MostTimes(1.4, RawBlocking);
        let mut cell = conversation_cell("latency-one-cpu", ReqRep, transport, 64, &[RawBlocking], bar);
        cell.pinned = true;
        cells.push(cell);
    }
    for transport in [Ipc, Tcp] {
        let bar = Bar::MostTimes(1.1, RawBlocking);
        let mut cell = conversation_cell("latency-no-spin", ReqRep, transport, 64, &[RawBlocking], bar);
        cell.spin = false;
        // A switch now and then is not the library's doing.
        cell.metrics.push((Metric::Switches, Some(Bar::Most(1.02, Metric::Switches))));
        cell.quick = transport == Ipc;
        cells.push(cell);
    }
}

/// What happens when the ends cannot have CPUs of their own: a thread that spins then keeps its peer from running.
fn busy_machine(cells: &mut Vec<Cell>) {
    for transport in [Ipc, Tcp, Inproc] {
        let raw: &[_] = if transport == Inproc { &[] } else { &[RawBlocking] };
        let bar = Bar::MostTimes(1.0, Libzmq);
        let mut cell = conversation_cell("latency-busy", ReqRep, transport, 64, raw, bar);
        cell.busy = true;
        cell.quick = transport == Ipc;
        cells.push(cell);
    }
}

fn throughput(cells: &mut Vec<Cell>) {
    for transport in [Ipc, Tcp, Inproc] {
        for size in SIZES {
            let factor = match (transport, size) {
                (Ipc, 64) => 5.5,
                (Tcp, 64) => 5.0,
                (Inproc, 64) => 3.2,
                (Ipc, KIB) => 7.5,
                (Tcp, KIB) => 5.5,
                (Ipc, 65_536) => 4.0,
                (Tcp, 65_536) => 2.6,
                (Ipc, MIB) => 2.5,
                (Tcp, MIB) => 2.0,
                // The design names no bar; slower than libzmq is a miss all the same.
                _ => 1.0,
            };
            let raw = match (transport, size) {
                (Inproc, 64) => &[RawSpinning][..],
                (Inproc, _) => &[],
                _ => &[RawBlocking],
            };
            let mut cell = cell(
                format!("throughput/{transport}/{}", size_name(size)),
                Work::Throughput,
                transport,
                size,
            );
            cell.contestants.splice(0..0, raw.iter().copied());
            cell.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(factor, Libzmq)))];
            cell.count = match size {
                64 => 100_000,
                KIB => 30_000,
                16_384 => 5_000,
                65_536 => 2_000,
                _ => 100,
            };
            cell.quick = transport != Inproc && size != 16_384 || size == 64;
            cell.traced = size == 64;
            cells.push(cell);
        }
    }
}

/// What a message costs a sender that has no more to say: CPU time of both ends, from a message now and then to a stream.
fn rates(cells: &mut Vec<Cell>) {
    for transport in [Ipc, Tcp] {
        for (name, pace) in [
            ("100", Some(100)),
            ("1k", Some(1_000)),
            ("10k", Some(10_000)),
            ("100k", Some(100_000)),
            ("full", None),
        ] {
            for (pattern, work, subscribers) in [("", Work::Throughput, 0), ("pub-sub/", Work::Fanout, 1)] {
                let mut cell = cell(format!("rate/{transport}/{pattern}{name}"), work, transport, 64);
                cell.subscribers = subscribers;
                cell.metrics = vec![(Metric::Cpu, Some(Bar::MostTimes(1.0, Libzmq)))];
                cell.pace = pace;
                // Half a second; less would not be many messages.
                cell.count = pace.map_or(100_000, |pace| pace / 2);
                cell.fixed_count = pace.is_some();
                cells.push(cell);
            }
        }
    }
}

fn fanin(cells: &mut Vec<Cell>) {
    for (transport, size) in [(Ipc, 64), (Ipc, KIB), (Tcp, 64), (Tcp, KIB), (Inproc, 64)] {
        let name = format!("fanin/{transport}/8-push/{}", size_name(size));
        let mut cell = cell(name, Work::Fanin, transport, size);
        cell.subscribers = 8;
        cell.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(1.0, Libzmq)))];
        cell.count = 5_000;
        cells.push(cell);
    }
}

/// Only Tamtam's sockets are for several threads.
fn threads(cells: &mut Vec<Cell>) {
    for (transport, senders) in [(Ipc, 1), (Ipc, 2), (Ipc, 4), (Ipc, 8), (Tcp, 2), (Inproc, 2)] {
        let mut cell =
            cell(format!("threads/{transport}/{senders}-senders/64B"), Work::Threads, transport, 64);
        cell.subscribers = senders;
        cell.contestants = vec![Tamtam];
        cell.metrics = vec![(Metric::MessageRate, None)];
        cell.count = 40_000 / senders as u64;
        cells.push(cell);
    }
}

/// CURVE. Few builds of libzmq have it compiled in, so the one that the system has takes part as well.
fn encrypted(cells: &mut Vec<Cell>) {
    let bar = Bar::MostTimes(1.0, LibzmqSystem);
    let mut there_and_back = conversation_cell("curve", ReqRep, Tcp, 64, &[], bar);
    there_and_back.quick = true;
    let streams = [(64, 50_000), (KIB, 20_000), (64 * KIB, 500)].map(|(size, count)| {
        let mut cell =
            cell(format!("curve/{Tcp}/push-pull/{}", size_name(size)), Work::Throughput, Tcp, size);
        cell.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(1.0, LibzmqSystem)))];
        cell.count = count;
        cell
    });
    for mut cell in [there_and_back].into_iter().chain(streams) {
        cell.curve = true;
        cell.contestants.insert(1, LibzmqSystem);
        cells.push(cell);
    }
}

fn fanout(cells: &mut Vec<Cell>) {
    for transport in [Tcp, Ipc, Inproc] {
        for subscribers in [1, 8, 64] {
            for size in [64, KIB] {
                let factor = match (transport, subscribers, size) {
                    (Inproc, 64, 64) => 20.0,
                    (Tcp, 8, 64) | (Tcp, 64, 64) => 3.0,
                    (Tcp, 8, KIB) => 5.0,
                    (Tcp, 64, KIB) => 7.0,
                    _ => 1.0,
                };
                let name = format!("fanout/{transport}/{subscribers}-sub/{}", size_name(size));
                let mut cell = cell(name, Work::Fanout, transport, size);
                cell.subscribers = subscribers;
                cell.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(factor, Libzmq)))];
                cell.count = 40_000 / subscribers as u64;
                cell.quick = transport == Tcp && subscribers == 8
                    || transport == Inproc && subscribers == 64 && size == 64;
                cell.traced = transport == Tcp && subscribers == 8 && size == 64;
                cells.push(cell);
            }
        }
    }
}

/// What names, headers and accounting cost beside the sockets below them.
fn topics(cells: &mut Vec<Cell>) {
    for (transport, subscribers, size) in
        [(Ipc, 1, 64), (Ipc, 1, KIB), (Ipc, 1, 64 * KIB), (Ipc, 8, 64), (Tcp, 1, 64)]
    {
        let name = format!("topic/{transport}/{subscribers}-sub/{}", size_name(size));
        let mut cell = cell(name, Work::Fanout, transport, size);
        cell.subscribers = subscribers;
        cell.contestants = vec![Tamtam, Topic];
        cell.judged = Topic;
        cell.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(0.75, Tamtam)))];
        cell.count = if size > KIB { 2_000 } else { 40_000 / subscribers as u64 };
        cell.quick = transport == Ipc && subscribers == 1 && size == 64;
        if size == 64 {
            // What of that is the wire's.
            let mut framed = cell.clone();
            framed.name = cell.name.replacen("topic/", "topic-frames/", 1);
            framed.contestants = vec![Frames, Topic];
            framed.metrics = vec![(Metric::MessageRate, Some(Bar::LeastTimes(0.75, Frames)))];
            framed.quick = false;
            cells.push(framed);
        }
        cells.push(cell);
    }
    let mut cell = conversation_cell("topic", PubSub, Ipc, 64, &[], Bar::MostBeyond(2_000.0, Tamtam));
    cell.contestants = vec![Tamtam, Topic];
    cell.judged = Topic;
    cell.quick = true;
    cells.push(cell);
}

/// The same workloads for all the others: sockets beside [`Tamtam`], publishers and subscribers by name beside [`Topic`].
fn rivals(cells: &mut Vec<Cell>) {
    for transport in [Ipc, Tcp] {
        cells.push(rivals_cell("req-rep", Work::Latency(ReqRep), transport, 0, 64));
    }
    for transport in [Ipc, Tcp] {
        for size in [64, KIB, 16 * KIB] {
            cells.push(rivals_cell("push-pull", Work::Throughput, transport, 0, size));
        }
    }
    for transport in [Ipc, Tcp] {
        for subscribers in [1, 8] {
            cells.push(rivals_cell("pub-sub", Work::Fanout, transport, subscribers, 64));
        }
    }
    for transport in [Ipc, Tcp] {
        for (subscribers, size) in [(1, 64), (1, KIB), (1, 64 * KIB), (8, 64)] {
            cells.push(rivals_cell("topic", Work::Fanout, transport, subscribers, size));
        }
        cells.push(rivals_cell("topic", Work::Latency(PubSub), transport, 0, 64));
    }
}

fn rivals_cell(family: &str, work: Work, transport: Transport, subscribers: usize, size: usize) -> Cell {
    let by_name = family == "topic";
    let what = match work {
        Work::Fanout => format!("{subscribers}-sub/"),
        Work::Latency(PubSub) => "there-and-back/".to_owned(),
        _ => String::new(),
    };
    let name = format!("{RIVALS_PREFIX}{family}/{transport}/{what}{}", size_name(size));
    let mut cell = cell(name, work, transport, size);
    cell.subscribers = subscribers;
    let (own, others): (_, &[_]) = if by_name {
        (&[Topic][..], &[Zenoh, Iceoryx2, Nats, Ros, Gazebo])
    } else {
        (&[Libzmq, LibzmqSystem, Tamtam][..], &RIVALS)
    };
    let fits = |rival: &&Contestant| {
        // Whoever has topics only is measured by those, except that a request is a request.
        let by_topic = matches!(rival, Zenoh | Iceoryx2 | Nats | Ros | Gazebo) && work == Work::Fanout;
        plays(**rival, work, transport) && (by_name || !by_topic)
    };
    cell.contestants = own.iter().chain(others.iter().filter(fits)).copied().collect();
    cell.judged = if by_name { Topic } else { Tamtam };
    cell.metrics = match work {
        Work::Latency(_) => vec![(Metric::HalfRoundTrip, None)],
        _ => vec![(Metric::MessageRate, None)],
    };
    cell.count = match (work, size) {
        (Work::Latency(_), _) => 500,
        (_, 64) => 10_000 / subscribers.max(1) as u64,
        (_, KIB) => 5_000,
        _ => 500,
    };
    cell
}

fn textbook(subscribers: usize, count: u64) -> Cell {
    let mut cell = cell(format!("textbook/ipc/{subscribers}-sub"), Work::Textbook, Ipc, 40);
    cell.subscribers = subscribers;
    cell.metrics = vec![(Metric::Duration, Some(Bar::MostTimes(1.0 / 3.0, Libzmq)))];
    cell.count = count;
    cell.fixed_count = true;
    cell.quick = true;
    cell
}

fn connections(cells: &mut Vec<Cell>) {
    for (transport, count) in [(Tcp, 1_000), (Tcp, 10_000), (Ipc, 1_000)] {
        let mut cell = connections_over(transport, count);
        cell.contestants.insert(0, RawBlocking);
        cell.metrics = vec![
            (Metric::ConnectionRate, Some(Bar::Least(15_000.0, Metric::ConnectionRate))),
            (Metric::ConnectionMemory, Some(Bar::Most(4.0, Metric::ConnectionMemory))),
        ];
        cell.quick = transport == Tcp && count == 1_000;
        cells.push(cell);
    }
}

/// So many connections over TCP into one ROUTER.
pub(crate) fn connections_of(count: u64) -> Cell {
    connections_over(Tcp, count)
}

fn connections_over(transport: Transport, count: u64) -> Cell {
    let mut cell = cell(format!("connections/{transport}/{count}"), Work::Connections, transport, 0);
    cell.count = count;
    cell.fixed_count = true;
    cell
}

/// One step of a sweep: PUSH to PULL of 64 octets at a pace.
pub(crate) fn paced(transport: Transport, pace: u64, awake: bool) -> Cell {
    let mut cell = cell(format!("sweep/{transport}/{pace}"), Work::Paced, transport, 64);
    cell.pace = Some(pace);
    cell.awake = awake;
    cell.fixed_count = true;
    cell
}

const KIB: usize = 1024;
/// What the names of cells for rivals begin with.
pub(crate) const RIVALS_PREFIX: &str = "rivals/";
const MIB: usize = 1024 * 1024;
const SIZES: [usize; 5] = [64, KIB, 16 * KIB, 64 * KIB, MIB];

fn size_name(size: usize) -> String {
    match size {
        MIB => "1MiB".to_owned(),
        size if size >= KIB => format!("{}KiB", size / KIB),
        size => format!("{size}B"),
    }
}

fn conversation_cell(
    family: &str,
    conversation: Conversation,
    transport: Transport,
    size: usize,
    raw: &[Contestant],
    bar: Bar,
) -> Cell {
    let types = match conversation {
        ReqRep => "req-rep",
        DealerRouter => "dealer-router",
        Pair => "pair",
        PubSub => "pub-sub",
    };
    let name = format!("{family}/{transport}/{types}/{}", size_name(size));
    let mut cell = cell(name, Work::Latency(conversation), transport, size);
    cell.contestants.splice(0..0, raw.iter().copied());
    cell.metrics = vec![(Metric::HalfRoundTrip, Some(bar))];
    cell.count = match size {
        64 | KIB => 1_000,
        16_384 => 500,
        65_536 => 250,
        _ => 30,
    };
    cell.traced = size == 64;
    cell
}

fn cell(name: String, work: Work, transport: Transport, size: usize) -> Cell {
    Cell {
        name,
        work,
        transport,
        size,
        subscribers: 0,
        contestants: if drop_in_library().exists() {
            vec![Libzmq, Tamtam, DropIn]
        } else {
            vec![Libzmq, Tamtam]
        },
        metrics: Vec::new(),
        judged: Tamtam,
        hwm: None,
        spin: true,
        pinned: false,
        curve: false,
        pace: None,
        awake: false,
        busy: false,
        count: 0,
        fixed_count: false,
        quick: false,
        traced: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::Parser as _;

    use super::*;

    #[test]
    fn names_are_unique_and_every_cell_has_a_row() {
        let cells = all(false);
        let names: HashSet<_> = cells.iter().map(|cell| &cell.name).collect();
        assert_eq!(names.len(), cells.len());
        assert!(cells.iter().all(|cell| !cell.metrics.is_empty() && cell.count > 0));
        assert!(cells.iter().all(|cell| cell.contestants.contains(&cell.judged)));
    }

    #[test]
    fn every_rival_takes_part_somewhere_and_is_measured_when_asked_for() {
        let cells = all(false);
        for rival in RIVALS.iter().chain(&[LibzmqSystem]) {
            assert!(
                cells.iter().any(|cell| cell.has_rivals() && cell.contestants.contains(rival)),
                "{rival}"
            );
            assert!(
                !cells
                    .iter()
                    .any(|cell| !cell.has_rivals() && !cell.curve && cell.contestants.contains(rival)),
                "{rival}"
            );
        }
        let chosen = |arguments: &[&str]| {
            let args = Args::parse_from([&["tamtam-bench"], arguments].concat());
            chosen(&args).expect("cells").iter().filter(|cell| cell.has_rivals()).count()
        };
        assert_eq!(chosen(&["--only", "ipc"]), 0);
        assert_eq!(chosen(&["--only", "rivals/req-rep"]), 2);
    }

    #[test]
    fn what_a_bar_refers_to_takes_part() {
        for cell in all(true) {
            for reference in cell.metrics.iter().filter_map(|(_, bar)| bar.and_then(Bar::reference)) {
                assert!(cell.contestants.contains(&reference), "{}", cell.name);
            }
        }
    }
}
