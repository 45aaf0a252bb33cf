//! One round: a scenario, its members, what is done to them, and the accounts.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use tamtam_soak::Outcome;
use tamtam_soak::crew::{Crew, Fate};
use tamtam_soak::orders::{FINISH, HURRY, Orders};
use tamtam_soak::random::Random;
use tamtam_zmq::{Context, Driver};

use crate::accounts::{Account, Accounts, Passage, Seen};
use crate::body::LARGEST;
use crate::member;
use crate::plan::{PATIENCE, Role, Scenario, Setting, Task, Way, driver_word};
use crate::verdict::{Verdict, judge};
use crate::witness::{Address, Connection, Cut, Witness};

/// No more members than numbers in a tag.
const MEMBERS: u64 = 200;

/// What is tried in a round. It follows from the seed and the round's number.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) way: Way,
    pub(crate) setting: Setting,
    pub(crate) is_tcp: bool,
    /// Senders bind and receivers connect, instead of the other way round.
    senders_bind: bool,
    binders: u64,
    dialers: u64,
    pub(crate) kills: bool,
    /// Connections are cut by a reset, too, of which it is not exactly known what was lost.
    resets: bool,
    traffic: Duration,
    seed: u64,
}

/// What came of a round.
#[derive(Debug)]
pub(crate) struct Result {
    pub(crate) verdict: Verdict,
    /// From the first message, about, to the last.
    pub(crate) took: Duration,
    pub(crate) killed: u64,
    pub(crate) stopped: u64,
    pub(crate) cuts: u64,
    /// What was done to whom, for reports.
    pub(crate) history: Vec<String>,
}

impl Round {
    pub(crate) fn choose(
        seed: u64,
        number: u64,
        (scenario, way): (Scenario, Way),
        driver: Option<Driver>,
        longest: Duration,
    ) -> Outcome<Self> {
        let mut random = Random::new(seed ^ number.rotate_left(40));
        let publishes = scenario.publishes();
        // The newest message of each: nobody else's may come between.
        let can_turn = matches!(scenario, Scenario::Pipeline);
        let senders_bind = publishes || (can_turn && random.percent(30));
        let binders = if publishes { random.between(1, 2) } else { random.between(1, 3) };
        let dialers = random.between(1, 4);
        let kills = way != Way::Inproc && !scenario.receiver_drops() && random.percent(50);
        let drivers = [Driver::Adaptive, Driver::Background];
        let by_chance = drivers[usize::from(random.percent(50))];
        let setting = Setting {
            scenario,
            driver: driver.unwrap_or(by_chance),
            send_hwm: u32::try_from(random.between(1, 2000))?,
            receive_hwm: u32::try_from(random.between(1, 2000))?,
            buffers: if random.percent(40) { usize::try_from(random.between(4096, 1 << 18))? } else { 0 },
            largest: *[16, 200, 4096, LARGEST].get(usize::try_from(random.number() % 4)?).unwrap_or(&LARGEST),
            // A witness could not read that.
            is_curve: way == Way::Direct && random.percent(25),
            is_mandatory: scenario == Scenario::Dealer && random.percent(30),
            barrier: if publishes && way != Way::Witness && !kills { usize::try_from(dialers)? } else { 0 },
        };
        let most = u64::try_from(longest.as_millis())?.max(300);
        let traffic = random.pause(most / 3, most);
        let is_tcp = random.percent(50);
        let resets = is_tcp && way == Way::Witness && random.percent(30);
        let seed = random.number();
        Ok(Self {
            number,
            way,
            setting,
            is_tcp,
            senders_bind,
            binders,
            dialers,
            kills,
            resets,
            traffic,
            seed,
        })
    }

    /// In a line, for reports.
    pub(crate) fn describe(&self) -> String {
        let Setting { scenario, driver, send_hwm, receive_hwm, buffers, largest, is_curve, .. } =
            self.setting;
        let transport = match (self.way, self.is_tcp) {
            (Way::Inproc, _) => "",
            (_, true) => " over tcp",
            (_, false) => " over ipc",
        };
        let (senders, receivers) =
            if self.senders_bind { (self.binders, self.dialers) } else { (self.dialers, self.binders) };
        format!(
            "round {}: {scenario}, {}{transport}, {}, {senders} to {receivers}{}, marks {send_hwm} and {receive_hwm}, \
             buffers {buffers}, fillers up to {largest}{}",
            self.number,
            self.way,
            driver_word(driver),
            if self.senders_bind { " (senders bind)" } else { "" },
            [(is_curve, ", CURVE"), (self.kills, ", with kills"), (self.resets, ", with resets")]
                .map(|(is_so, words)| if is_so { words } else { "" })
                .concat(),
        )
    }

    const fn role(&self, binds: bool) -> Role {
        if binds == self.senders_bind { Role::Sender } else { Role::Receiver }
    }

    fn task(&self, place: &Path, number: u64, binds: bool, seed: u64) -> Task {
        let role = self.role(binds);
        let one_way = matches!(self.setting.scenario, Scenario::Pipeline | Scenario::Latest);
        let may_change = role == Role::Sender && !binds && one_way;
        Task {
            setting: self.setting,
            role,
            number,
            seed,
            bind: None,
            dial: Vec::new(),
            reopens: may_change && seed.is_multiple_of(2),
            redials: may_change && seed.is_multiple_of(3) && self.setting.scenario == Scenario::Pipeline,
            place: place.to_owned(),
        }
    }

    /// How many members one is connected with at the same time, at most.
    const fn crowd(&self) -> u64 {
        if self.binders > self.dialers { self.binders } else { self.dialers }
    }

    fn accounts(&self, members: Vec<Account>, seen: Option<Vec<Seen>>) -> Accounts {
        Accounts {
            setting: self.setting,
            members,
            seen,
            connection_holds: connection_holds(self.is_tcp, self.setting.buffers),
            crowd: self.crowd(),
        }
    }

    /// Runs it, in an empty folder.
    pub(crate) fn run(&self, place: &Path, command: impl Fn() -> Command + 'static) -> Outcome<Result> {
        match self.way {
            Way::Inproc => self.run_threads(place),
            _ => self.run_processes(place, command),
        }
    }

    fn run_threads(&self, place: &Path) -> Outcome<Result> {
        let mut random = Random::new(self.seed);
        let context = Arc::new(Context::new());
        let began = Instant::now();
        let mut threads = Vec::new();
        for index in 0..self.binders + self.dialers {
            let binds = index < self.binders;
            let mut task = self.task(place, index + 1, binds, random.number());
            let endpoint = |binder: u64| format!("inproc://soak-{binder}");
            if binds {
                task.bind = Some(endpoint(index));
            } else {
                task.dial = (0..self.binders).map(endpoint).collect();
            }
            let (to, words) = mpsc::channel();
            let (context, own) = (Arc::clone(&context), task.clone());
            let thread = thread::spawn(move || member::run(&own, Orders::of(words), &context));
            threads.push((task, to, thread));
        }
        let (wait, _waiting) = mpsc::channel::<()>();
        let _over = _waiting.recv_timeout(self.traffic);
        drop(wait);
        for (_, to, _) in &threads {
            let _heard = to.send(HURRY.to_owned());
        }
        let mut members = Vec::new();
        let mut failed = Vec::new();
        for role in [Role::Sender, Role::Receiver] {
            let of_role = |task: &Task| task.role == role;
            for (_, to, _) in threads.iter().filter(|(task, ..)| of_role(task)) {
                let _heard = to.send(FINISH.to_owned());
            }
            let (now, later): (Vec<_>, Vec<_>) = threads.into_iter().partition(|(task, ..)| of_role(task));
            threads = later;
            for (task, _, thread) in now {
                match thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => failed.push(format!("{}: {error}", task.name())),
                    Err(_) => failed.push(format!("{} has panicked", task.name())),
                }
                members.push(Account::read(place, &task.name(), task.number, role, false)?);
            }
        }
        let took = began.elapsed();
        let mut verdict = judge(&self.accounts(members, None));
        verdict.wrong.extend(failed);
        Ok(Result { verdict, took, killed: 0, stopped: 0, cuts: 0, history: Vec::new() })
    }

    fn run_processes(&self, place: &Path, command: impl Fn() -> Command + 'static) -> Outcome<Result> {
        let mut stage = Stage::set(self, place, Crew::new(command))?;
        let began = Instant::now();
        let done = stage.turmoil().and_then(|()| stage.part());
        let took = began.elapsed();
        stage.report(done, took)
    }
}

/// What the kernel and a reader may hold of one connection, in octets.
fn connection_holds(is_tcp: bool, buffers: usize) -> u64 {
    let setting = |name: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap_or_default();
        text.split_whitespace().last().and_then(|word| word.parse().ok()).unwrap_or(8 << 20)
    };
    let kernel = match (is_tcp, buffers) {
        (true, 0) => setting("ipv4/tcp_wmem") + setting("ipv4/tcp_rmem"),
        (false, 0) => setting("core/wmem_default"),
        // The kernel doubles what is asked for.
        (_, asked) => 4 * asked as u64,
    };
    // What is read at a time, and the parts of a large message.
    kernel + (256 << 10)
}

/// A place that one member after the other takes.
struct Slot {
    binds: bool,
    index: u64,
    member: Option<usize>,
    is_stopped: bool,
    /// When something is done to it.
    due: Instant,
}

/// The processes of a round, and what stands between them.
struct Stage<'a> {
    round: &'a Round,
    place: PathBuf,
    crew: Crew<Task>,
    random: Random,
    slots: Vec<Slot>,
    /// Where each binder listens. Ports are held, so that nobody else gets them.
    addresses: Vec<(Address, Option<OwnedFd>)>,
    /// Between each dialer and each binder, with their indices.
    witnesses: Vec<(u64, u64, Witness)>,
    number: u64,
    began: Instant,
    cuts: u64,
    history: Vec<String>,
}

/// A port of this host that others may bind while we hold it, and that the system gives to nobody.
fn reserve_port() -> Outcome<(u16, OwnedFd)> {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&held, true)?;
    bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = SocketAddr::try_from(getsockname(&held)?)?;
    Ok((address.port(), held))
}

impl<'a> Stage<'a> {
    fn set(round: &'a Round, place: &Path, crew: Crew<Task>) -> Outcome<Self> {
        let mut random = Random::new(round.seed);
        let mut addresses = Vec::new();
        for index in 0..round.binders {
            addresses.push(if round.is_tcp {
                let (port, held) = reserve_port()?;
                (Address::Port(port), Some(held))
            } else {
                (Address::Path(place.join(format!("b{index}"))), None)
            });
        }
        let mut witnesses = Vec::new();
        if round.way == Way::Witness {
            for dialer in 0..round.dialers {
                for (binder, (target, _)) in (0..).zip(&addresses) {
                    let path = (!round.is_tcp).then(|| place.join(format!("w{dialer}-{binder}")));
                    witnesses.push((dialer, binder, Witness::start(path, target.clone())?));
                }
            }
        }
        let mut slots = Vec::new();
        for (binds, count) in [(true, round.binders), (false, round.dialers)] {
            for index in 0..count {
                let due = Instant::now() + random.pause(1, 50);
                slots.push(Slot { binds, index, member: None, is_stopped: false, due });
            }
        }
        Ok(Self {
            round,
            place: place.to_owned(),
            crew,
            random,
            slots,
            addresses,
            witnesses,
            number: 0,
            began: Instant::now(),
            cuts: 0,
            history: Vec::new(),
        })
    }

    fn note(&mut self, what: String) {
        self.history.push(format!("{:.3} {what}", self.began.elapsed().as_secs_f64()));
    }

    fn turmoil(&mut self) -> Outcome {
        let end = Instant::now() + self.round.traffic;
        let mut cut_due = Instant::now() + self.random.pause(100, 1000);
        while Instant::now() < end {
            let next = self.slots.iter().map(|slot| slot.due).min().unwrap_or(end);
            if let Some(ended) = self.crew.wait(next.min(cut_due).min(end))? {
                return Err(format!("{} has ended", self.crew.name(ended)).into());
            }
            let now = Instant::now();
            if now >= cut_due {
                cut_due = now + self.random.pause(50, 1000);
                self.interfere();
            }
            for at in 0..self.slots.len() {
                if self.slots.get(at).is_some_and(|slot| now >= slot.due) {
                    self.act(at)?;
                }
            }
        }
        // Everybody has to be there at the end, so that everything can be delivered.
        for at in 0..self.slots.len() {
            if self.slots.get(at).is_some_and(|slot| slot.member.is_none()) {
                self.act(at)?;
            }
        }
        Ok(())
    }

    /// What a network does to connections.
    fn interfere(&mut self) {
        let count = self.witnesses.len() as u64;
        if count == 0 {
            return;
        }
        let chosen = usize::try_from(self.random.number() % count).unwrap_or(0);
        let (cuts, dice, pause) =
            (self.random.percent(70), self.random.number() % 2, self.random.pause(10, 800));
        let cut = match dice {
            0 => Cut::End,
            _ if self.round.resets => Cut::Reset,
            _ => Cut::Fail,
        };
        let Some((dialer, binder, witness)) = self.witnesses.get(chosen) else { return };
        let what = format!("dialer {dialer} and binder {binder}");
        if cuts {
            if witness.cut(cut) {
                self.cuts += 1;
                self.note(format!("cut {what} ({cut:?})"));
            }
        } else {
            witness.stall(pause);
            self.note(format!("stalled {what}"));
        }
    }

    fn act(&mut self, at: usize) -> Outcome {
        let Some(slot) = self.slots.get(at) else { return Ok(()) };
        let (binds, index) = (slot.binds, slot.index);
        let Some(member) = slot.member else { return self.start(at, binds, index) };
        let was_stopped = slot.is_stopped;
        let pause = if was_stopped {
            self.crew.resume(member)?;
            self.set_stopped(at, false);
            self.random.pause(50, 1500)
        } else if self.round.kills && self.number < MEMBERS && self.random.percent(35) {
            self.crew.kill(member)?;
            let name = self.crew.name(member);
            self.note(format!("killed {name}"));
            if let Some(slot) = self.slots.get_mut(at) {
                slot.member = None;
            }
            self.random.pause(1, 200)
        } else if self.random.percent(45) {
            self.crew.stop(member)?;
            let name = self.crew.name(member);
            self.note(format!("stopped {name}"));
            self.set_stopped(at, true);
            self.random.pause(5, 1000)
        } else {
            self.random.pause(50, 1500)
        };
        self.set_due(at, pause);
        Ok(())
    }

    fn set_stopped(&mut self, at: usize, is_stopped: bool) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.is_stopped = is_stopped;
        }
    }

    fn set_due(&mut self, at: usize, pause: Duration) {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.due = Instant::now() + pause;
        }
    }

    fn start(&mut self, at: usize, binds: bool, index: u64) -> Outcome {
        self.number += 1;
        let seed = self.random.number();
        let mut task = self.round.task(&self.place, self.number, binds, seed);
        if binds {
            let address = self.addresses.get(usize::try_from(index)?).ok_or("no address")?;
            task.bind = Some(address.0.endpoint());
        } else if self.witnesses.is_empty() {
            task.dial = self.addresses.iter().map(|(address, _)| address.endpoint()).collect();
        } else {
            let own = self.witnesses.iter().filter(|(dialer, ..)| *dialer == index);
            task.dial = own.map(|(_, _, witness)| witness.front.endpoint()).collect();
        }
        for (dialer, binder, witness) in &self.witnesses {
            if binds && *binder == index {
                witness.set_binder(self.number);
            } else if !binds && *dialer == index {
                witness.set_dialer(self.number);
            }
        }
        let name = task.name();
        let member = self.crew.start(task)?;
        self.note(format!("started {name}"));
        if let Some(slot) = self.slots.get_mut(at) {
            (slot.member, slot.is_stopped) = (Some(member), false);
        }
        let pause = self.random.pause(100, 1500);
        self.set_due(at, pause);
        Ok(())
    }

    /// The end: senders stop and close, what is on its way arrives, receivers take it.
    fn part(&mut self) -> Outcome {
        for index in self.crew.living(|_| true) {
            self.crew.resume(index)?;
            self.crew.tell(index, HURRY)?;
        }
        for (_, _, witness) in &self.witnesses {
            witness.go_on();
        }
        for role in [Role::Sender, Role::Receiver] {
            let of_role = |task: &Task| task.role == role;
            for index in self.crew.living(of_role) {
                self.crew.tell(index, FINISH)?;
            }
            let until = Instant::now() + PATIENCE;
            while !self.crew.living(of_role).is_empty() {
                if self.crew.wait(until)?.is_none() {
                    let left: Vec<String> =
                        self.crew.living(of_role).iter().map(|&index| self.crew.name(index)).collect();
                    return Err(format!("they do not come to an end: {}", left.join(", ")).into());
                }
            }
            if !self.witnesses.iter().all(|(_, _, witness)| witness.wait(until)) {
                return Err("somebody does not hang up".into());
            }
        }
        Ok(())
    }

    fn report(mut self, done: Outcome, took: Duration) -> Outcome<Result> {
        let mut wrong: Vec<String> = done.err().map(|error| error.to_string()).into_iter().collect();
        let mut members = Vec::new();
        let (mut killed, mut stopped) = (0, 0);
        for index in 0..self.crew.members.len() {
            self.crew.kill(index)?;
            let Some(member) = self.crew.members.get(index) else { continue };
            let name = member.task.name();
            if let Fate::Failed(status) = member.fate {
                wrong.push(format!("{name} ended with {status}"));
            }
            let was_killed = member.fate == Fate::Killed;
            killed += u64::from(was_killed);
            stopped += member.history.iter().filter(|(_, word)| *word == "stopped").count() as u64;
            members.push(Account::read(
                &self.place,
                &name,
                member.task.number,
                member.task.role,
                was_killed,
            )?);
        }
        let until = Instant::now() + PATIENCE;
        let seen = (self.round.way == Way::Witness).then(|| {
            let all = self.witnesses.iter().flat_map(|(_, _, witness)| {
                let _settled = witness.wait(until);
                witness.connections()
            });
            all.map(|connection| seen(&connection, self.round.senders_bind)).collect()
        });
        let mut verdict = judge(&self.round.accounts(members, seen));
        verdict.wrong.extend(wrong);
        Ok(Result { verdict, took, killed, stopped, cuts: self.cuts, history: self.history })
    }
}

/// What a witness has noted of a connection, as sender and receiver see it.
fn seen(connection: &Connection, senders_bind: bool) -> Seen {
    let take = |passage: &std::sync::Mutex<crate::witness::Passage>| {
        let mut passage = passage.lock().unwrap_or_else(PoisonError::into_inner);
        Passage { passed: std::mem::take(&mut passage.passed), forwarded: passage.forwarded }
    };
    let (up, down) = (take(&connection.up), take(&connection.down));
    let was_reset = connection.was_reset();
    let (dialer, binder) = (connection.dialer, connection.binder);
    if senders_bind {
        Seen { sender: binder, receiver: dialer, was_reset, forth: down, back: up }
    } else {
        Seen { sender: dialer, receiver: binder, was_reset, forth: up, back: down }
    }
}
