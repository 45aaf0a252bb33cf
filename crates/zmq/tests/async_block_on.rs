//! Futures without any runtime: the smallest executor there is.

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use common::{
    A_WHILE, PATIENCE, becomes_true, driven_by, everywhere, fresh, over_the_network, reserved, text,
};
use tamtam_zmq::{Context, Pub, Pull, Push, RecvError, Rep, Req, SendError, Sub};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread; `None` when it is not ready in time.
fn block_on_for<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + patience;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return Some(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    block_on_for(PATIENCE, future).expect("ready in time")
}

#[test]
fn a_conversation_of_two_threads() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let rep = Rep::with(&context, driven_by(driver)).unwrap();
        let req = Req::with(&context, driven_by(driver)).unwrap();
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        let server = std::thread::spawn(move || {
            block_on(async {
                for _ in 0..200 {
                    let request = rep.recv_async().await.unwrap();
                    rep.send_async(request).await.unwrap();
                }
            });
        });
        block_on(async {
            for number in 0..200 {
                req.send_async(number.to_string()).await.unwrap();
                assert_eq!(
                    text(&req.recv_async().await.unwrap()),
                    number.to_string(),
                    "{transport} {driver:?}"
                );
            }
        });
        server.join().unwrap();
    });
}

#[test]
fn a_stream_through_narrow_marks() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let narrow = |o: &mut tamtam_zmq::Options| {
            o.set_driver(driver).set_send_hwm(2).set_receive_hwm(2);
        };
        let pull = Pull::with(&context, narrow).unwrap();
        let push = Push::with(&context, narrow).unwrap();
        push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
        let sender = std::thread::spawn(move || {
            block_on(async {
                for number in 0..500u32 {
                    push.send_async([number.to_be_bytes().to_vec(), vec![0; 5000]].concat()).await.unwrap();
                }
            });
        });
        block_on(async {
            for number in 0..500u32 {
                let received = pull.recv_async().await.unwrap();
                assert_eq!(received.as_slice()[..4], number.to_be_bytes(), "{transport} {driver:?}");
            }
        });
        sender.join().unwrap();
    });
}

#[test]
fn errors_come_at_once() {
    let context = Context::new();
    assert_eq!(block_on(Req::new(&context).recv_async()), Err(RecvError::OutOfTurn));
    let Err(SendError::OutOfTurn(back)) = block_on(Rep::new(&context).send_async("x")) else {
        panic!("out of turn")
    };
    assert_eq!(text(&back), "x");
    let push = Push::new(&context).into_socket();
    assert_eq!(block_on(push.recv_async()), Err(RecvError::Unsupported));
}

#[test]
fn a_task_waits_for_a_peer_and_is_woken_by_it() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let endpoint = reserved(transport);
        let push = Push::with(&context, driven_by(driver)).unwrap();
        push.bind(&endpoint).unwrap();
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| block_on(push.send_async("x")));
            assert!(!becomes_true(A_WHILE, || sender.is_finished()), "{transport} {driver:?}");
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.connect(&endpoint).unwrap();
            assert_eq!(text(&block_on(pull.recv_async()).unwrap()), "x");
            sender.join().unwrap().unwrap();
        });
    });
}

/// A future that is dropped before it is ready has taken nothing and sent nothing.
#[test]
fn dropped_futures_leave_nothing_behind() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        for _ in 0..3 {
            assert!(block_on_for(Duration::from_millis(5), pull.recv_async()).is_none());
            assert!(block_on_for(Duration::from_millis(5), push.send_async("dropped")).is_none());
        }
        push.connect(&endpoint).unwrap();
        block_on(push.send_async("sent")).unwrap();
        assert_eq!(text(&block_on(pull.recv_async()).unwrap()), "sent", "{transport} {driver:?}");
        assert!(block_on_for(Duration::from_millis(5), pull.recv_async()).is_none());
    });
}

#[test]
fn filtered_messages_wake_nobody_for_good() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let publisher = Pub::with(&context, driven_by(driver)).unwrap();
        let sub = Sub::with(&context, driven_by(driver)).unwrap();
        sub.subscribe("a");
        sub.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
        publisher.wait_for_subscribers(1, PATIENCE).unwrap();
        let publishing = std::thread::spawn(move || {
            for number in 0..100 {
                publisher.send(if number % 10 == 9 { "a" } else { "b" }).unwrap();
            }
            publisher
        });
        for _ in 0..10 {
            assert_eq!(text(&block_on(sub.recv_async()).unwrap()), "a", "{transport} {driver:?}");
        }
        publishing.join().unwrap();
    });
}

#[test]
fn shutting_down_wakes_every_task() {
    everywhere(|transport, driver| {
        let context = Context::new();
        let pull = Pull::with(&context, driven_by(driver)).unwrap();
        pull.bind(&fresh(transport)).unwrap();
        let push = Push::with(&context, driven_by(driver)).unwrap();
        std::thread::scope(|scope| {
            let receivers: Vec<_> = (0..3).map(|_| scope.spawn(|| block_on(pull.recv_async()))).collect();
            let sender = scope.spawn(|| block_on(push.send_async("x")));
            assert!(!becomes_true(A_WHILE, || sender.is_finished()));
            context.shutdown(PATIENCE).unwrap();
            for receiver in receivers {
                assert_eq!(receiver.join().unwrap(), Err(RecvError::Terminated), "{transport} {driver:?}");
            }
            assert!(matches!(sender.join().unwrap(), Err(SendError::Terminated(_))));
        });
    });
}
