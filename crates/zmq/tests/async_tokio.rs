//! Futures on tokio, whose loop knows nothing of sockets.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{DRIVERS, PATIENCE, TRANSPORTS, driven_by, fresh, message, text};
use tamtam_zmq::{Context, Dealer, Pub, Pull, Push, RecvError, Rep, Req, Router, Sub};
use tokio::time::timeout;

/// One thread for everything: a call that blocked would stop the other side as well.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("everything ends in time") });
}

#[test]
fn both_ends_of_a_conversation_on_one_thread() {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            run(async {
                let context = Context::new();
                let rep = Rep::with(&context, driven_by(driver)).unwrap();
                let req = Req::with(&context, driven_by(driver)).unwrap();
                req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
                let server = tokio::spawn(async move {
                    for _ in 0..100 {
                        let request = rep.recv_async().await.unwrap();
                        rep.send_async(request).await.unwrap();
                    }
                });
                for number in 0..100 {
                    req.send_async(number.to_string()).await.unwrap();
                    assert_eq!(
                        text(&req.recv_async().await.unwrap()),
                        number.to_string(),
                        "{transport} {driver:?}"
                    );
                }
                server.await.unwrap();
            });
        }
    }
}

#[test]
fn a_stream_through_narrow_marks_on_one_thread() {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            run(async {
                let context = Context::new();
                let narrow = |o: &mut tamtam_zmq::Options| {
                    o.set_driver(driver).set_send_hwm(3).set_receive_hwm(3);
                };
                let pull = Pull::with(&context, narrow).unwrap();
                let push = Push::with(&context, narrow).unwrap();
                push.connect(&pull.bind(&fresh(transport)).unwrap()).unwrap();
                let sender = tokio::spawn(async move {
                    for number in 0..300u32 {
                        push.send_async([number.to_be_bytes().to_vec(), vec![0; 20_000]].concat())
                            .await
                            .unwrap();
                    }
                });
                for number in 0..300u32 {
                    let received = pull.recv_async().await.unwrap();
                    assert_eq!(received.as_slice()[..4], number.to_be_bytes(), "{transport} {driver:?}");
                }
                sender.await.unwrap();
            });
        }
    }
}

#[test]
fn many_tasks_share_a_socket() {
    for driver in DRIVERS {
        run(async {
            let context = Context::new();
            let router = Router::with(&context, driven_by(driver)).unwrap();
            let endpoint = router.bind(&fresh("ipc")).unwrap();
            let router = Arc::new(router);
            for _ in 0..4 {
                let router = Arc::clone(&router);
                tokio::spawn(async move {
                    while let Ok(request) = router.recv_async().await {
                        router.send_async(request).await.unwrap();
                    }
                });
            }
            let clients: Vec<_> = (0..8)
                .map(|number| {
                    let dealer = Dealer::with(&context, driven_by(driver)).unwrap();
                    dealer.connect(&endpoint).unwrap();
                    tokio::spawn(async move {
                        for round in 0..25 {
                            let request = message(&[&number.to_string(), &round.to_string()]);
                            dealer.send_async(request.clone()).await.unwrap();
                            assert_eq!(dealer.recv_async().await.unwrap().frames().count(), 2);
                        }
                        assert_eq!(dealer.try_recv(), Err(RecvError::WouldBlock));
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            assert_eq!(router.statistics().traffic.messages_in, 200);
            context.shutdown(PATIENCE).unwrap();
        });
    }
}

#[test]
fn waiting_can_be_given_up_and_begun_again() {
    for transport in TRANSPORTS {
        for driver in DRIVERS {
            run(async {
                let context = Context::new();
                let publisher = Pub::with(&context, driven_by(driver)).unwrap();
                let sub = Sub::with(&context, driven_by(driver)).unwrap();
                sub.subscribe("");
                sub.connect(&publisher.bind(&fresh(transport)).unwrap()).unwrap();
                publisher.wait_for_subscribers(1, PATIENCE).unwrap();
                for number in 0..20 {
                    assert!(timeout(Duration::from_millis(1), sub.recv_async()).await.is_err());
                    publisher.send_async(number.to_string()).await.unwrap();
                    assert_eq!(
                        text(&sub.recv_async().await.unwrap()),
                        number.to_string(),
                        "{transport} {driver:?}"
                    );
                }
            });
        }
    }
}

/// Whichever comes first: two sockets in one `select!`.
#[test]
fn select_takes_what_comes_first_and_loses_nothing() {
    for driver in DRIVERS {
        run(async {
            let context = Context::new();
            let pulls = [(); 2].map(|()| Pull::with(&context, driven_by(driver)).unwrap());
            let pushes = pulls.each_ref().map(|pull| {
                let push = Push::with(&context, driven_by(driver)).unwrap();
                push.connect(&pull.bind(&fresh("tcp")).unwrap()).unwrap();
                push
            });
            let sender = tokio::spawn(async move {
                for number in 0..200 {
                    pushes[number % 3 % 2].send_async("x").await.unwrap();
                    tokio::task::yield_now().await;
                }
                pushes
            });
            let mut counts = [0, 0];
            for _ in 0..200 {
                tokio::select! {
                    received = pulls[0].recv_async() => { received.unwrap(); counts[0] += 1; }
                    received = pulls[1].recv_async() => { received.unwrap(); counts[1] += 1; }
                }
            }
            sender.await.unwrap();
            assert_eq!(counts, [133, 67], "{driver:?}");
        });
    }
}

#[test]
fn shutting_down_ends_a_waiting_task() {
    for driver in DRIVERS {
        run(async {
            let context = Context::new();
            let pull = Pull::with(&context, driven_by(driver)).unwrap();
            pull.bind(&fresh("ipc")).unwrap();
            let waiting = tokio::spawn(async move { pull.recv_async().await });
            tokio::task::yield_now().await;
            context.shutdown(PATIENCE).unwrap();
            assert_eq!(waiting.await.unwrap(), Err(RecvError::Terminated), "{driver:?}");
        });
    }
}
