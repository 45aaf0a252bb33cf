//! Who looks after a socket whose application never waits, since what it asks for is always there. A process of its own: the
//! background thread's switches are counted.

mod common;

use common::{PATIENCE, fresh};
use tamtam_zmq::{Context, Rep, Req};

/// How often background threads of this process have slept.
fn background_sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let background = tasks.filter(|task| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end().starts_with("tamtam-io"))
    });
    let sleeps = background.map(|task| {
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    });
    sleeps.sum()
}

#[test]
fn an_application_that_is_quicker_than_the_background_thread_is_left_alone() {
    for transport in ["ipc", "tcp"] {
        const TURNS: u64 = 4000;
        let context = Context::new();
        let (req, rep) = (Req::new(&context), Rep::new(&context));
        req.connect(&rep.bind(&fresh(transport)).unwrap()).unwrap();
        let turn = || {
            req.send_timeout("request", PATIENCE).unwrap();
            rep.send(rep.recv_timeout(PATIENCE).unwrap()).unwrap();
            req.recv_timeout(PATIENCE).unwrap();
        };
        (0..100).for_each(|_| turn());
        let before = background_sleeps();
        (0..TURNS).for_each(|_| turn());
        let sleeps = background_sleeps() - before;
        // It looks every two milliseconds whether the application is still there, and is not woken by a message.
        assert!(sleeps < TURNS / 2, "{transport}: {sleeps} wake-ups in {TURNS} round trips");
    }
}
