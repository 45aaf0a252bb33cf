//! A process that forks: the child's copies are inert, the parent goes on, and the child may begin anew.

mod common;

use std::time::{Duration, Instant};

use common::{DRIVERS, PATIENCE, TRANSPORTS, child, driven_by, fresh, text};
use tamtam_zmq::{Context, Interest, Pair, Poller, Pull, Push, RecvError, SendError, Socket};

/// Runs the rest of the test in a process of its own.
fn apart(test: &str) -> bool {
    if child::role().is_some() {
        return true;
    }
    child::Child::spawn(test, "parent", "").succeed();
    false
}

/// Forks; the child does this and ends, well if it did not panic. Waits for it.
fn in_a_fork(what: &str, work: impl FnOnce()) {
    // SAFETY: the child runs on one thread with copies of everything; it leaves without running the parent's destructors.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: a child that hangs ends all the same.
        unsafe { libc::alarm(15) };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let began = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: the child is ours; the status is valid for writes.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{what}: {status:#x}");
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: the child does not end");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Two sockets that talk before and after.
struct Talk {
    context: Context,
    pull: Pull,
    push: Push,
    endpoint: String,
}

impl Talk {
    fn new(transport: &str, driver: tamtam_zmq::Driver) -> Self {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        push.connect(&endpoint).unwrap();
        let talk = Self { context, pull, push, endpoint };
        talk.goes_on("before the fork");
        talk
    }

    fn goes_on(&self, what: &str) {
        for number in 0..10 {
            self.push.send(format!("{what} {number}")).unwrap();
        }
        for number in 0..10 {
            let received = self.pull.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(text(&received), format!("{what} {number}"));
        }
        // New connections are still accepted.
        let other = Push::new(&self.context);
        other.connect(&self.endpoint).unwrap();
        other.send("a new one").unwrap();
        let received =
            self.pull.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}, a new one: {error}"));
        assert_eq!(text(&received), "a new one");
    }
}

fn everywhere(test: impl Fn(Talk)) {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            test(Talk::new(transport, driver));
        }
    }
}

#[test]
fn the_childs_copies_say_that_they_are_copies() {
    if !apart("the_childs_copies_say_that_they_are_copies") {
        return;
    }
    everywhere(|talk| {
        talk.push.send("for the parent").unwrap();
        in_a_fork("send and receive", || {
            assert_eq!(talk.pull.try_recv(), Err(RecvError::Forked));
            assert_eq!(talk.pull.recv(), Err(RecvError::Forked));
            assert_eq!(talk.pull.recv_timeout(PATIENCE), Err(RecvError::Forked));
            let Err(SendError::Forked(back)) = talk.push.try_send("x") else { panic!("sent by a copy") };
            assert_eq!(text(&back), "x");
            assert!(matches!(talk.push.send("x"), Err(SendError::Forked(_))));
        });
        assert_eq!(text(&talk.pull.recv_timeout(PATIENCE).unwrap()), "for the parent");
        talk.goes_on("after the fork");
    });
}

/// Looking at a copy neither hangs nor takes anything from the parent.
#[test]
fn looking_at_a_copy_takes_nothing_away() {
    if !apart("looking_at_a_copy_takes_nothing_away") {
        return;
    }
    everywhere(|talk| {
        for number in 0..5 {
            talk.push.send(number.to_string()).unwrap();
        }
        in_a_fork("looks", || {
            let _ = talk.pull.readiness();
            let _ =
                (talk.pull.statistics(), talk.pull.peers(), talk.pull.options(), talk.pull.last_endpoint());
            let _ = talk.push.readiness();
            talk.push.flush();
            if let Ok(mut poller) = Poller::new()
                && poller.add(&talk.pull, 1, Interest::BOTH).is_ok()
            {
                let _ = poller.wait(Some(Duration::from_millis(20)));
            }
            assert!(talk.pull.wait_for_peers(9, Duration::from_millis(20)).is_err());
        });
        for number in 0..5 {
            let received = talk.pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(text(&received), number.to_string());
        }
        talk.goes_on("after the looks");
    });
}

/// The child may let go of its copies in any way: the parent's connections and listeners do not notice.
#[test]
fn ending_a_copy_does_not_end_the_original() {
    if !apart("ending_a_copy_does_not_end_the_original") {
        return;
    }
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            type End = fn(Socket, Context);
            let ends: [(&str, End); 4] = [
                ("drop", |socket, context| drop((socket, context))),
                ("close", |socket, _| socket.close()),
                ("close_within", |socket, _| _ = socket.close_within(Duration::from_millis(20))),
                ("shutdown", |_, context| _ = context.shutdown(Duration::from_millis(20))),
            ];
            for (what, end) in ends {
                let Talk { context, pull, push, endpoint } = Talk::new(transport, driver);
                let (push, pull) = (push.into_socket(), pull.into_socket());
                in_a_fork(what, || {
                    // SAFETY: the originals in this process's memory are forgotten: the child leaves by `_exit`.
                    let (push, pull) =
                        unsafe { (std::ptr::read(&raw const push), std::ptr::read(&raw const pull)) };
                    end(push, context.clone());
                    end(pull, context.clone());
                });
                for number in 0..10 {
                    push.send(number.to_string()).unwrap();
                    let received = pull.recv_timeout(PATIENCE);
                    let received =
                        received.unwrap_or_else(|error| panic!("{transport} {driver:?} {what}: {error}"));
                    assert_eq!(text(&received), number.to_string(), "{transport} {driver:?} {what}");
                }
                let other = Push::new(&context);
                other.connect(&endpoint).unwrap();
                other.send("a new one").unwrap();
                let received = pull.recv_timeout(PATIENCE);
                let received = received
                    .unwrap_or_else(|error| panic!("{transport} {driver:?} {what}, a new one: {error}"));
                assert_eq!(text(&received), "a new one");
            }
        }
    }
}

/// A new context in the child is as good as any, and can reach the parent.
#[test]
fn the_child_may_begin_anew() {
    if !apart("the_child_may_begin_anew") {
        return;
    }
    for transport in ["tcp", "ipc"] {
        for driver in DRIVERS {
            let talk = Talk::new(transport, driver);
            in_a_fork("a context of its own", || {
                let context = Context::new();
                let left = Pair::with(&context, driven_by(driver)).unwrap();
                let right = Pair::with(&context, driven_by(driver)).unwrap();
                right.connect(&left.bind(&fresh(transport)).unwrap()).unwrap();
                for number in 0..10 {
                    left.send(number.to_string()).unwrap();
                    assert_eq!(text(&right.recv_timeout(PATIENCE).unwrap()), number.to_string());
                }
                let push = Push::with(&context, driven_by(driver)).unwrap();
                push.connect(&talk.endpoint).unwrap();
                push.send("from the child").unwrap();
                push.close_within(PATIENCE).unwrap();
                drop((left, right, context));
            });
            assert_eq!(
                text(&talk.pull.recv_timeout(PATIENCE).unwrap()),
                "from the child",
                "{transport} {driver:?}"
            );
            talk.goes_on("after the child");
        }
    }
}

/// The path of an ipc socket belongs to the parent.
#[test]
fn a_childs_end_leaves_paths_alone() {
    if !apart("a_childs_end_leaves_paths_alone") {
        return;
    }
    let talk = Talk::new("ipc", tamtam_zmq::Driver::Adaptive);
    let path = talk.endpoint.strip_prefix("ipc://").unwrap().to_owned();
    in_a_fork("a path", || {
        // SAFETY: as above: the child leaves by `_exit`.
        drop(unsafe { std::ptr::read(&raw const talk.pull) });
        assert!(std::path::Path::new(&path).exists());
    });
    assert!(std::path::Path::new(&path).exists());
    talk.goes_on("after the child");
}
