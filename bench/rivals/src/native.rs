//! Rivals in C++: their ends are programs of our own (`cpp/`), compiled when they are first asked for, one process for each end.
//!
//! This process stands between them and the conductor, so that several subscribers, a process each, look like one end.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::line::{Done, GO, Line, STOP};
use tamtam_bench_protocol::rival::State;
use tamtam_bench_protocol::spec::{Conversation, Role, SILENCE, Spec, Work};
use tamtam_bench_protocol::usage::Usage;

use crate::servant::{self, free_port};
use tamtam_bench_protocol::talk::{hear, say};

/// What all ends in C++ share.
const COMMON: &str = include_str!("../cpp/peer.hpp");

/// ROS 1.
pub(crate) const ROS: Native = Native {
    name: "ros",
    source: include_str!("../cpp/ros.cpp"),
    packages: &["roscpp", "std_msgs"],
    debian: "libroscpp-dev libstd-msgs-dev python3-rosmaster",
    settings: "roscpp over TCPROS with TCP_NODELAY, queues without a bound, std_msgs/String",
    server: Server::RosMaster,
};

/// Gazebo Transport, which Debian still has under its earlier name.
pub(crate) const GAZEBO: Native = Native {
    name: "gazebo",
    source: include_str!("../cpp/gazebo.cpp"),
    packages: &["ignition-transport11"],
    debian: "libignition-transport-dev",
    settings: "raw messages, high-water marks lifted, discovery on the loopback interface",
    server: Server::None,
};

/// A rival whose ends are compiled here.
#[derive(Debug)]
pub(crate) struct Native {
    name: &'static str,
    source: &'static str,
    /// As pkg-config knows them.
    packages: &'static [&'static str],
    /// What has to be installed on Debian.
    debian: &'static str,
    settings: &'static str,
    server: Server,
}

/// What has to run beside the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    None,
    RosMaster,
}

impl Native {
    /// Compiles the ends, if that is to be done, and returns whether they are there.
    pub(crate) fn state(&self) -> State {
        let missing = |why: String| State::Missing(format!("not installed: {why} (Debian: {})", self.debian));
        let Some(version) = self.version() else {
            return missing(format!("pkg-config does not know {}", self.packages.join(" and ")));
        };
        if self.server == Server::RosMaster && Command::new("rosmaster").arg("--help").output().is_err() {
            return missing("there is no rosmaster".to_owned());
        }
        match self.compile() {
            Ok(_) => {
                let version = format!("{} {version}", self.packages.first().unwrap_or(&self.name));
                State::Ready { version, settings: self.settings.to_owned() }
            }
            Err(failure) => State::Missing(format!("not built: {failure}")),
        }
    }

    fn version(&self) -> Option<String> {
        let output = Command::new("pkg-config").arg("--modversion").args(self.packages).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
    }

    /// Returns the compiled program, which is made beside this one and anew when its source has changed.
    fn compile(&self) -> Outcome<PathBuf> {
        let beside = env::current_exe()?;
        let folder = beside.parent().ok_or_else(|| Failure::new("nowhere"))?.join("native");
        let (program, kept) = (folder.join(self.name), folder.join(format!("{}.cpp", self.name)));
        let text = format!("{COMMON}\n{}", self.source);
        if program.exists() && fs::read_to_string(&kept).is_ok_and(|compiled| compiled == text) {
            return Ok(program);
        }
        fs::create_dir_all(&folder)?;
        let flags = Command::new("pkg-config").args(["--cflags", "--libs"]).args(self.packages).output()?;
        let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
        let fresh = folder.join(format!("{}.new.cpp", self.name));
        fs::write(&fresh, &text)?;
        let output = Command::new("c++")
            .args(["-std=c++17", "-O2", "-DNDEBUG", "-o"])
            .arg(&program)
            .arg(&fresh)
            .args(flags.split_whitespace())
            .output()
            .map_err(|error| Failure::from(error).while_doing("c++"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let first = text.lines().find(|line| line.contains("error")).unwrap_or("it failed");
            return Err(Failure::new(first).while_doing("c++"));
        }
        fs::rename(&fresh, &kept)?;
        Ok(program)
    }

    /// Plays one process's part: all its ends in processes of their own.
    pub(crate) fn play(&self, spec: &Spec) -> Outcome {
        let (binds, master) = (spec.role == Role::Binder, self.server == Server::RosMaster);
        let place = match (binds, master) {
            (true, true) => start_ros_master()?,
            // A name for this conversation, which nobody else has.
            (true, false) => format!("tamtam{}", std::process::id()),
            (false, _) => spec.endpoint.clone(),
        };
        let count = if binds { 1 } else { spec.subscribers_here.max(1) };
        let program = self.compile()?;
        let mut ends: Vec<End> =
            (0..count).map(|_| End::start(&program, spec, &place)).collect::<Outcome<_>>()?;
        if binds {
            say(&Line::Bound(place))?;
        }
        for end in &mut ends {
            end.expect(|line| matches!(line, Line::Ready).then_some(()))?;
        }
        say(&Line::Ready)?;
        hear(GO)?;
        for end in &mut ends {
            end.tell(GO)?;
        }
        let mut sum: Option<Done> = None;
        for end in &mut ends {
            let done = end.expect(|line| if let Line::Done(done) = line { Some(done) } else { None })?;
            sum = Some(sum.map_or(done, |sum| sum.with(done)));
        }
        say(&Line::Done(sum.ok_or_else(|| Failure::new("no end"))?))?;
        hear(STOP)?;
        let mut spent = Usage::default();
        for end in &mut ends {
            end.tell(STOP)?;
            let one = end.expect(|line| if let Line::Spent(spent) = line { Some(spent) } else { None })?;
            spent = Usage {
                cpu_ns: spent.cpu_ns + one.cpu_ns,
                voluntary: spent.voluntary + one.voluntary,
                involuntary: spent.involuntary + one.involuntary,
                resident_kib: spent.resident_kib + one.resident_kib,
            };
        }
        say(&Line::Spent(spent))?;
        drop(ends);
        servant::dismiss();
        Ok(())
    }
}

/// An end in a process of its own, killed by its id when this is dropped.
struct End {
    process: Child,
    orders: ChildStdin,
    news: Lines<BufReader<ChildStdout>>,
}

impl End {
    fn start(program: &PathBuf, spec: &Spec, place: &str) -> Outcome<Self> {
        let task = match (spec.work, spec.role) {
            (Work::Fanout, Role::Binder) => "publish",
            (Work::Fanout, _) => "subscribe",
            (Work::Latency(Conversation::PubSub), Role::Binder) => "reply",
            (Work::Latency(Conversation::PubSub), _) => "ask",
            (other, _) => return Err(Failure::new(format!("{other:?} is not for topics"))),
        };
        let mut process = Command::new(program)
            .arg(task)
            .args([spec.size.to_string(), spec.warm.to_string(), spec.count.to_string()])
            .envs([("ROS_MASTER_URI", place), ("ROS_IP", "127.0.0.1")])
            .envs([("IGN_PARTITION", place), ("IGN_IP", "127.0.0.1")])
            .envs([("IGN_TRANSPORT_SNDHWM", "0"), ("IGN_TRANSPORT_RCVHWM", "0")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let closed = || Failure::new("an end without pipes");
        let orders = process.stdin.take().ok_or_else(closed)?;
        let news = BufReader::new(process.stdout.take().ok_or_else(closed)?).lines();
        Ok(Self { process, orders, news })
    }

    fn tell(&mut self, word: &str) -> Outcome {
        Ok(self.orders.write_all(format!("{word}\n").as_bytes())?)
    }

    /// Waits for a line; an end that hears nothing says so after a while, and ends.
    fn expect<T>(&mut self, pick: impl FnOnce(Line) -> Option<T>) -> Outcome<T> {
        for line in self.news.by_ref() {
            let line = line?;
            // Libraries have a word to say, too.
            let Ok(line) = serde_json::from_str(&line) else { continue };
            if let Line::Failed(why) = line {
                return Err(Failure::new(why));
            }
            return pick(line).ok_or_else(|| Failure::new("an end said what nobody expected"));
        }
        Err(Failure::new("an end has ended"))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It may have ended by itself: that is what we want.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the master, which brings publishers and subscribers together; returns its address.
fn start_ros_master() -> Outcome<String> {
    let port = free_port()?;
    servant::hire("rosmaster", &["--core", "-p", &port.to_string()], "")?;
    let deadline = Instant::now() + SILENCE * 2;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > deadline {
            return Err(Failure::new("rosmaster does not listen"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(format!("http://127.0.0.1:{port}"))
}
