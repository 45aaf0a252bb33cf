//! A process that runs out of descriptors: nobody spins, nobody is harmed, and everything goes on once some are free.

mod common;

use std::fs::File;
use std::time::Duration;

use common::wire::RawPeer;
use common::{A_WHILE, PATIENCE, child, cpu_time, driven_by, eventually, fresh, text};
use tamtam_zmq::{Context, Driver, EventKind, Poller, Pull, Push, Socket, SocketType};

/// Runs the rest of the test in a process of its own.
fn apart(test: &str) -> bool {
    if child::role().is_some() {
        return true;
    }
    child::Child::spawn(test, "narrow", "").succeed();
    false
}

/// All descriptors that are left, taken until dropped.
fn take_descriptors() -> Vec<File> {
    // SAFETY: the limit is valid for reads and writes.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = 120;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken
}

#[test]
fn accepting_pauses_without_spinning_and_resumes() {
    if !apart("accepting_pauses_without_spinning_and_resumes") {
        return;
    }
    for driver in common::DRIVERS {
        for transport in ["tcp", "ipc"] {
            let context = Context::new();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let monitor = pull.monitor(10_000);
            let endpoint = pull.bind(&fresh(transport)).unwrap();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.connect(&endpoint).unwrap();
            push.send("before").unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "before");
            // Six connect, and there is nothing left to accept them with.
            let mut peers: Vec<RawPeer> = (0..6).map(|_| RawPeer::prepare(&endpoint)).collect();
            let taken = take_descriptors();
            peers.iter().for_each(|peer| peer.dial(&endpoint));
            loop {
                if let EventKind::AcceptFailed { error } = monitor.recv_timeout(PATIENCE).unwrap().kind {
                    assert!(error.contains("open files"), "{error}");
                    break;
                }
            }
            let before = cpu_time();
            let quiet = pull.recv_timeout(6 * A_WHILE);
            let burnt = cpu_time() - before;
            assert!(quiet.is_err());
            assert!(
                burnt < A_WHILE,
                "{transport} {driver:?}: {burnt:?} of processor time in {:?}",
                6 * A_WHILE
            );
            let told = std::iter::from_fn(|| monitor.try_recv()).count();
            assert!(told <= 4, "{transport} {driver:?}: told {told} times more");
            // Who is connected goes on.
            push.send("meanwhile").unwrap();
            assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "meanwhile");
            drop(taken);
            for peer in &mut peers {
                peer.handshake("PUSH", "");
                peer.send_message(&[b"at last"]);
                assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "at last", "{transport} {driver:?}");
            }
        }
    }
}

/// Everything that needs a descriptor says so and works later; nothing panics.
#[test]
fn every_call_says_that_there_are_no_descriptors() {
    if !apart("every_call_says_that_there_are_no_descriptors") {
        return;
    }
    let context = Context::new();
    let sockets = [(); 3].map(|()| Socket::new(&context, SocketType::Pull));
    let taken = take_descriptors();
    let error = Context::try_new().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    assert!(Poller::new().is_err());
    for transport in ["tcp", "ipc"] {
        let error = sockets[0].bind(&fresh(transport)).unwrap_err();
        assert!(error.to_string().contains("open files"), "{error}");
    }
    assert!(sockets[1].try_as_fd().is_err());
    // Inproc needs none.
    let endpoint = sockets[2].bind(&fresh("inproc")).unwrap();
    let push = Push::new(&context);
    push.connect(&endpoint).unwrap();
    push.send("x").unwrap();
    assert_eq!(text(&sockets[2].recv_timeout(PATIENCE).unwrap()), "x");
    drop(taken);
    let endpoint = sockets[0].bind(&fresh("tcp")).unwrap();
    push.disconnect(&push.last_endpoint().unwrap()).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("y").unwrap();
    assert_eq!(text(&sockets[0].recv_timeout(PATIENCE).unwrap()), "y");
    assert!(sockets[1].try_as_fd().is_ok());
    assert!(Context::try_new().is_ok());
}

/// A connecting socket tries again until there are descriptors, and says why it has to.
#[test]
fn connecting_is_tried_again_when_there_are_descriptors() {
    if !apart("connecting_is_tried_again_when_there_are_descriptors") {
        return;
    }
    for driver in common::DRIVERS {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh("ipc")).unwrap();
        let push = Push::with(&context, |o| {
            o.set_driver(driver).set_reconnect_interval(Some(Duration::from_millis(5)));
        })
        .unwrap();
        let monitor = push.monitor(1000);
        let taken = take_descriptors();
        push.connect(&endpoint).unwrap();
        push.send("x").unwrap();
        loop {
            if let EventKind::ConnectRetried { reason, .. } = monitor.recv_timeout(PATIENCE).unwrap().kind {
                assert!(reason.contains("open files"), "{reason}");
                break;
            }
        }
        drop(taken);
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "x", "{driver:?}");
    }
}

/// Sockets, contexts, monitors, pollers and connections that are gone leave no descriptor and no thread behind.
#[test]
fn nothing_leaks() {
    if !apart("nothing_leaks") {
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let round = |driver: Driver| {
        let context = Context::new();
        for transport in common::TRANSPORTS {
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            let push = Push::with(&context, driven_by(driver)).unwrap();
            let endpoint = pull.bind(&fresh(transport)).unwrap();
            push.connect(&endpoint).unwrap();
            push.send("x").unwrap();
            pull.recv_timeout(PATIENCE).unwrap();
            let mut poller = Poller::new().unwrap();
            poller.add(&pull, 1, tamtam_zmq::Interest::READABLE).unwrap();
            assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
            let _ = pull.as_socket().try_as_fd().unwrap();
            if transport != "inproc" {
                drop(RawPeer::connect(&endpoint));
                if transport != "ws" {
                    drop(RawPeer::connect_as(&endpoint, "PUSH"));
                }
            }
        }
    };
    round(Driver::Adaptive);
    let (descriptors_before, threads_before) = (open(), threads());
    for _ in 0..5 {
        common::DRIVERS.into_iter().for_each(round);
    }
    assert_eq!(open(), descriptors_before);
    eventually("the threads are gone", || threads() == threads_before);
}
