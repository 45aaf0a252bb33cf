//! Ending communication without closing, closing without giving the handle away, and waiting for the end.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::wire::RawListener;
use common::{
    A_WHILE, DRIVERS, PATIENCE, TRANSPORTS, becomes_true, driven_by, eventually, everywhere, fresh, reserved,
    text,
};
use tamtam_zmq::{
    BindError, Bytes, Context, EventKind, OptionError, Pull, Push, RecvError, SendError, Socket,
};

#[test]
fn an_interrupted_context_answers_every_call_and_closes_nothing() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        push.wait_for_peers(1, PATIENCE).unwrap();
        assert!(!context.is_shut_down());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pull.recv());
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            context.interrupt();
            assert_eq!(waiting.join().unwrap(), Err(RecvError::Terminated), "{transport} {driver:?}");
        });
        assert!(context.is_shut_down());
        assert!(matches!(push.send("x"), Err(SendError::Terminated(_))));
        assert_eq!(pull.try_recv(), Err(RecvError::Terminated));
        context.interrupt();
        // A socket that is made afterwards is of no use either.
        assert_eq!(Pull::new(&context).recv(), Err(RecvError::Terminated));
        // Both are still to be closed by their owners.
        assert!(!context.wait_closed(Some(Duration::ZERO)), "{transport} {driver:?}");
        drop(push);
        assert!(!context.wait_closed(Some(A_WHILE)));
        drop(pull);
        assert!(context.wait_closed(Some(PATIENCE)), "{transport} {driver:?}");
        assert!(context.wait_closed(None));
    });
}

#[test]
fn waiting_for_the_end_waits_for_what_lingers() {
    for driver in DRIVERS {
        for transport in ["tcp", "ipc"] {
            let context = Context::new();
            let listener = RawListener::bind(&reserved(transport));
            let push = Push::with(&context, driven_by(driver)).unwrap();
            push.configure(|o| _ = o.set_linger(None)).unwrap();
            push.connect(&listener.endpoint).unwrap();
            push.send("the last word").unwrap();
            push.close();
            context.interrupt();
            assert!(!context.wait_closed(Some(A_WHILE)), "{transport} {driver:?}: it is not written yet");
            let mut peer = listener.accept_as("PULL");
            assert_eq!(peer.receive_message(), [b"the last word"]);
            drop(peer);
            assert!(context.wait_closed(Some(PATIENCE)), "{transport} {driver:?}");
        }
    }
}

#[test]
fn a_thread_that_waits_for_the_end_is_told_of_it() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let pull = Pull::new(&context);
        pull.bind(&fresh(transport)).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| context.wait_closed(None));
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            drop(pull);
            eventually("the wait ends", || waiting.is_finished());
            assert!(waiting.join().unwrap(), "{transport}");
        });
    }
}

/// A socket that is shut under the hands of others: their calls return, what is queued is still delivered.
#[test]
fn a_shut_socket_leaves_a_handle_that_answers() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..100 {
            push.send(number.to_string()).unwrap();
        }
        let socket: &Socket = push.as_ref();
        socket.shut();
        socket.shut();
        assert!(matches!(push.send("x"), Err(SendError::Closed(_))));
        assert!(matches!(push.configure(|_| ()), Err(OptionError::Closed)));
        assert!(matches!(push.bind(&fresh(transport)), Err(BindError::Closed { .. })));
        for number in 0..100 {
            let received = text(&pull.recv_timeout(PATIENCE).unwrap());
            assert_eq!(received, number.to_string(), "{transport} {driver:?}");
        }
        let monitor = pull.monitor(10);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pull.recv());
            assert!(!becomes_true(A_WHILE, || waiting.is_finished()));
            let socket: &Socket = pull.as_ref();
            socket.shut();
            assert_eq!(waiting.join().unwrap(), Err(RecvError::Closed), "{transport} {driver:?}");
        });
        // Its monitor ends with it, and the endpoint is free.
        let last = std::iter::from_fn(|| monitor.recv_timeout(PATIENCE)).last().unwrap();
        assert!(matches!(last.kind, EventKind::Stopped), "{last:?}");
        if matches!(transport, "tcp" | "inproc") {
            Pull::new(&context).bind(&endpoint).unwrap();
        }
    });
}

/// Messages for a name that nobody has bound are given up with the context, and their buffers to those who lent them.
#[test]
fn what_nobody_claims_is_dropped_at_the_end() {
    struct Owner(Arc<AtomicU32>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &[7; 10_000]
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let context = Context::new();
    let push = Push::new(&context);
    push.connect(&fresh("inproc")).unwrap();
    for _ in 0..3 {
        push.send(Bytes::from_owner(Owner(Arc::clone(&dropped)))).unwrap();
    }
    push.close();
    assert_eq!(dropped.load(Ordering::Relaxed), 0, "somebody may still bind the name");
    context.interrupt();
    assert!(context.wait_closed(Some(PATIENCE)));
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}
