//! Signals with payload: order, urgency, coalescing, threads that do not block, and who is gone.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tamtam_ipc::signals::{Adapter, Coalescing, Inbox, Pending, RealTime, Target, coalescing};
use tamtam_ipc::{Deadline, Error, Mechanism as _, Plan};

fn me() -> Target {
    Target::of(std::process::id()).expect("this process")
}

#[test]
fn payloads_arrive_in_order() {
    let inbox = Inbox::any().expect("an inbox");
    let payloads = [0, 1, -1, i32::MIN, i32::MAX, 0x0102_0304];
    payloads.into_iter().for_each(|payload| me().queue(inbox.signal(), payload).expect("queued"));
    for payload in payloads {
        let note = inbox.receive(Deadline::NEVER).expect("a signal");
        assert_eq!((note.payload, note.code), (payload, libc::SI_QUEUE));
        assert_eq!((note.process, note.user), (std::process::id(), rustix::process::getuid().as_raw()));
    }
    me().queue_wide(inbox.signal(), usize::MAX / 3).expect("queued");
    assert_eq!(inbox.receive(Deadline::NEVER).expect("a signal").wide, (usize::MAX / 3) as u64);
    let soon = Deadline::after(Duration::from_millis(10));
    assert!(matches!(inbox.receive(soon), Err(Error::TimedOut)));
}

#[test]
fn ordinary_signals_coalesce_and_real_time_signals_do_not() {
    assert_eq!(coalescing(0).expect("shown"), Coalescing { sent: 0, ordinary: 0, real_time: 0 });
    assert_eq!(coalescing(100).expect("shown"), Coalescing { sent: 100, ordinary: 1, real_time: 100 });
}

#[test]
fn threads_that_were_there_before_do_not_take_signals() {
    let (go, wait) = mpsc::channel::<()>();
    let threads: Vec<_> = {
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        (0..4)
            .map(|_| {
                let wait = std::sync::Arc::clone(&wait);
                thread::spawn(move || wait.lock().expect("no panic").recv().is_err())
            })
            .collect()
    };
    let inbox = Inbox::any().expect("an inbox");
    for payload in 0..100 {
        me().queue(inbox.signal(), payload).expect("queued");
    }
    // A thread that is started now inherits what this one blocks.
    thread::spawn(|| ()).join().expect("no panic");
    for payload in 0..100 {
        assert_eq!(inbox.receive(Deadline::NEVER).expect("a signal").payload, payload);
    }
    drop(go);
    assert!(threads.into_iter().all(|thread| thread.join().expect("no panic")));
}

#[test]
fn a_number_has_one_inbox_at_a_time() {
    let inbox = Inbox::any().expect("an inbox");
    let signal = inbox.signal();
    assert!(matches!(Inbox::of(signal), Err(Error::Unavailable(_))));
    me().queue(signal, 1).expect("queued");
    drop(inbox);
    let inbox = Inbox::of(signal).expect("free again");
    assert!(matches!(inbox.receive(Deadline::NOW), Err(Error::TimedOut)), "what nobody read is gone");
    assert!(RealTime::new(signal.number()).is_some());
}

#[test]
fn the_dead_get_no_signals() {
    let signal = RealTime::least();
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("started");
    let target = Target::of(child.id()).expect("alive");
    assert!(matches!(target.wait_for_end(Deadline::NOW), Err(Error::TimedOut)));
    // A signal that it does not expect. (One with an inbox here would be blocked there: programs inherit that.)
    target.queue(signal, 0).expect("queued");
    target.wait_for_end(Deadline::NEVER).expect("ended");
    let status = child.wait().expect("waited for");
    assert_eq!(status.signal(), Some(signal.number()));
    assert!(matches!(target.queue(signal, 0), Err(Error::Closed)));
    for nobody in [0, u32::MAX, i32::MAX as u32] {
        assert!(matches!(Target::of(nobody), Err(Error::Closed)), "{nobody}");
    }
}

#[test]
fn a_link_takes_as_many_signals_as_planned() {
    let before = Pending::now().expect("/proc");
    assert!(before.limit > 100);
    let plan = Plan { message_max: Adapter.message_max(), depth: 5, ..Plan::default() };
    let (mut client, mut server) = Adapter.link(&plan).expect("a link").open().expect("opened");
    let text = &b"seven!!"[..plan.message_max];
    assert_eq!((0..100).take_while(|_| client.try_send(text).is_ok()).count(), 5);
    let mut message = Vec::new();
    for _ in 0..5 {
        server.receive(&mut message, Deadline::NEVER).expect("received");
        assert_eq!(message, text);
    }
    client.try_send(b"").expect("room again");
}

#[test]
fn what_is_beyond_the_limit_of_the_user_is_refused() {
    const CHILD: &str = "TAMTAM_IPC_LIMITED";
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own: a limit is for all threads of a process.
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "what_is_beyond_the_limit_of_the_user_is_refused", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .expect("started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let limit = |more| {
        let limits = getrlimit(Resource::Sigpending);
        let current = Some(Pending::now().expect("/proc").queued + more);
        setrlimit(Resource::Sigpending, Rlimit { current, ..limits }).expect("lowered");
    };
    // Other processes of the user count as well, and are at work: so no number is exact.
    limit(200);
    let inbox = Inbox::any().expect("an inbox");
    let refused =
        (0..100_000).find_map(|payload| Some((payload, me().queue(inbox.signal(), payload).err()?)));
    let Some((count, Error::TimedOut)) = refused else { panic!("{refused:?}") };
    for payload in 0..count {
        assert_eq!(inbox.receive(Deadline::NOW).expect("none was lost").payload, payload);
    }
    assert!(matches!(inbox.receive(Deadline::NOW), Err(Error::TimedOut)));
    // A link keeps far enough from the limit.
    limit(100);
    let plan = Plan { message_max: 1, depth: 1000, ..Plan::default() };
    let (mut client, mut server) = Adapter.link(&plan).expect("a link").open().expect("opened");
    for _ in 0..3 {
        let sent = (0..1000_u16).take_while(|number| client.try_send(&[*number as u8]).is_ok()).count();
        assert!((1..100).contains(&sent), "{sent}");
        for number in 0..sent {
            let mut message = Vec::new();
            server.receive(&mut message, Deadline::NEVER).expect("received");
            assert_eq!(message, [number as u8]);
        }
    }
}
