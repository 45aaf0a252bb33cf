//! Another process: this program once more, which is given tickets over its standard input.

use std::env;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tamtam_ipc::{End, Error, Ticket};

use crate::subject::{Subject, brief, for_all, message, patient};

/// Tells the program which role it plays.
const ROLE: &str = "TAMTAM_IPC_ROLE";

type Role = fn(&mut UnixStream);

/// What a child can do. All of them end when the socket does, or when they are killed.
const ROLES: &[(&str, Role)] = &[
    ("echo", echo),
    ("open", open),
    ("receive one", receive_one),
    ("send two", send_two),
    ("wait for a message", wait_for_a_message),
    ("wait for room", wait_for_room),
    ("leave nothing", crate::clean_up::leave_nothing),
    ("hold everything", crate::ctrl_c::hold_everything),
    ("make a link", make_a_link),
    ("run out of descriptors", crate::scarcity::run_out_of_descriptors),
    ("do without a folder", crate::scarcity::do_without_a_folder),
];

/// The parent's view of a child, which is killed when this is dropped.
pub(crate) struct Child {
    process: Process,
    pub(crate) socket: UnixStream,
}

impl Child {
    pub(crate) fn start(role: &str) -> Self {
        Self::start_with(role, |_| ())
    }

    /// The same in another environment.
    pub(crate) fn start_with(role: &str, change: impl FnOnce(&mut Command)) -> Self {
        assert!(ROLES.iter().any(|(name, _)| *name == role), "no role {role}");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let mut command = Command::new(env::current_exe().expect("this program"));
        change(&mut command);
        let process = command
            .args(["--exact", "child::another_process_is_reached", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        Self { process, socket: ours }
    }

    pub(crate) fn number(&self) -> u32 {
        self.process.id()
    }

    /// Says how long messages are, or which mechanism is wanted.
    pub(crate) fn say(&mut self, number: usize) {
        self.socket.write_all(&number.to_le_bytes()).expect("the child is alive");
    }

    /// Waits until the child says that it is so far.
    pub(crate) fn wait_for_step(&mut self) {
        let mut octet = [0];
        self.socket.read_exact(&mut octet).expect("the child is alive");
    }

    /// Sends a signal, and waits until the child has died of it.
    pub(crate) fn kill(mut self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("it is our child");
        let status = self.process.wait().expect("it is our child");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }

    /// Closes the socket, and waits until the child has ended by itself.
    pub(crate) fn end(mut self) -> ExitStatus {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
        self.process.wait().expect("it is our child")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The socket that is a child's standard input.
fn socket() -> UnixStream {
    UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("duplicated"))
}

fn step(socket: &mut UnixStream) {
    socket.write_all(&[1]).expect("the parent is alive");
}

fn wait_to_be_killed(socket: &mut UnixStream) {
    while socket.read(&mut [0; 8]).is_ok_and(|count| count > 0) {}
}

fn receive_ticket(socket: &UnixStream) -> Box<dyn End> {
    Ticket::receive(socket, patient()).expect("a ticket").open().expect("opened")
}

fn echo(socket: &mut UnixStream) {
    let mut end = receive_ticket(socket);
    step(socket);
    let mut message = Vec::new();
    loop {
        // Not every mechanism tells that the parent is gone; its socket does.
        match end.receive(&mut message, brief()) {
            Ok(()) => end.send(&message, patient()).expect("answered"),
            Err(Error::TimedOut) => {
                socket.set_nonblocking(true).expect("set");
                if matches!(socket.read(&mut [0]), Ok(0)) {
                    return;
                }
            }
            Err(Error::Closed) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn open(socket: &mut UnixStream) {
    let _end = receive_ticket(socket);
    step(socket);
    wait_to_be_killed(socket);
}

fn receive_one(socket: &mut UnixStream) {
    let mut end = receive_ticket(socket);
    end.receive(&mut Vec::new(), patient()).expect("a message");
    step(socket);
    wait_to_be_killed(socket);
}

fn send_two(socket: &mut UnixStream) {
    let mut end = receive_ticket(socket);
    let len = number(socket);
    for number in 0..2 {
        end.send(&message(number, len), patient()).expect("sent");
    }
    step(socket);
    wait_to_be_killed(socket);
}

fn wait_for_a_message(socket: &mut UnixStream) {
    let mut end = receive_ticket(socket);
    step(socket);
    let _ = end.receive(&mut Vec::new(), patient());
    wait_to_be_killed(socket);
}

fn wait_for_room(socket: &mut UnixStream) {
    let mut end = receive_ticket(socket);
    let len = number(socket);
    while end.try_send(&message(0, len)).is_ok() {}
    step(socket);
    let _ = end.send(&message(0, len), patient());
    wait_to_be_killed(socket);
}

/// The other way round: here the link is made, and the parent gets a ticket.
fn make_a_link(socket: &mut UnixStream) {
    let subject = Subject(tamtam_ipc::all()[number(socket)]);
    let link = subject.0.link(&subject.plan()).expect("a link");
    let mut end = link.client.open().expect("opened");
    link.server.hand_over(socket).expect("handed over");
    end.send(&message(0, subject.plan().message_max), patient()).expect("sent");
    step(socket);
    wait_to_be_killed(socket);
}

/// What the parent says after the ticket: how long messages are, or which mechanism is wanted.
fn number(socket: &mut UnixStream) -> usize {
    let mut number = [0; size_of::<usize>()];
    socket.read_exact(&mut number).expect("a number");
    usize::from_le_bytes(number)
}

/// Whoever runs the tests may ignore the keyboard's signals, as `nohup` and a shell's background jobs do, and children inherit that.
fn feel_the_keyboard() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: the signal's number is valid, and the default action runs no code of this process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

#[test]
fn another_process_is_reached() {
    if let Ok(role) = env::var(ROLE) {
        feel_the_keyboard();
        let (_, play) = ROLES.iter().find(|(name, _)| *name == role).expect("a role");
        return play(&mut socket());
    }
    for_all(|subject: Subject| {
        if subject.is_local() {
            let ticket = subject.0.link(&subject.plan()).expect("a link").client;
            let (ours, _theirs) = UnixStream::pair().expect("a pair");
            assert!(matches!(ticket.hand_over(&ours), Err(Error::Ticket(_))));
            return;
        }
        let plan = subject.plan();
        // Either side's ticket, before and after our own end is open.
        for is_server in [true, false] {
            for is_late in [true, false] {
                let link = subject.0.link(&plan).expect("a link");
                let (ours, theirs) =
                    if is_server { (link.client, link.server) } else { (link.server, link.client) };
                let mut child = Child::start("echo");
                let mut end = if is_late {
                    let end = ours.open().expect("opened");
                    theirs.hand_over(&child.socket).expect("handed over");
                    child.wait_for_step();
                    end
                } else {
                    theirs.hand_over(&child.socket).expect("handed over");
                    child.wait_for_step();
                    ours.open().expect("opened")
                };
                for number in 0..100 {
                    let sent = message(number, plan.message_max);
                    end.send(&sent, patient()).expect("sent");
                    let mut received = Vec::new();
                    end.receive(&mut received, patient()).expect("answered");
                    assert_eq!(received, sent);
                }
                drop(end);
                assert!(child.end().success());
            }
        }
    });
}
