//! Connections through a SOCKS 5 proxy.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use common::{A_WHILE, DRIVERS, PATIENCE, driven_by, reserved, text};
use tamtam_zmq::{
    Context, Driver, EventKind, Message, Monitor, OptionError, Options, PeerState, Pull, Push, Stream,
};

/// What the proxy does with one client.
#[derive(Clone, Copy)]
enum Manner {
    /// It connects, whoever comes.
    Open,
    /// It wants a user and a password.
    Login,
    /// The same, and each of its octets comes alone.
    Drip,
    /// It answers with these octets to whatever is said first, and closes.
    Says(&'static [u8]),
    /// It says nothing.
    Silent,
}

/// A small proxy: one thread per client, names all mean this host.
struct Proxy {
    address: String,
    /// The kind of address and the address as text, for each request.
    asked: mpsc::Receiver<(u8, String)>,
    _thread: JoinHandle<()>,
}

impl Proxy {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::serve(listener, manner)
    }

    fn serve(listener: TcpListener, manner: Manner) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (report, asked) = mpsc::channel();
        // The thread lasts as long as the test's process; its clients end with their sockets.
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let report = report.clone();
                std::thread::spawn(move || serve(client, manner, &report));
            }
        });
        Self { address, asked, _thread: thread }
    }

    fn asked_for(&self) -> (u8, String) {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }
}

fn take<const N: usize>(client: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn take_text(client: &mut TcpStream) -> Option<String> {
    let [len] = take(client)?;
    let mut bytes = vec![0; len.into()];
    client.read_exact(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

fn serve(mut client: TcpStream, manner: Manner, report: &mpsc::Sender<(u8, String)>) -> Option<()> {
    client.set_nodelay(true).unwrap();
    let say = |client: &mut TcpStream, bytes: &[u8]| match manner {
        Manner::Drip => bytes.iter().all(|byte| {
            std::thread::yield_now();
            client.write_all(&[*byte]).is_ok()
        }),
        _ => client.write_all(bytes).is_ok(),
    };
    let [version, count] = take(&mut client)?;
    assert_eq!(version, 5);
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods).ok()?;
    match manner {
        Manner::Says(bytes) => {
            say(&mut client, bytes);
            return Some(());
        }
        Manner::Silent => {
            let _ = client.read(&mut [0]);
            return None;
        }
        Manner::Open => {
            assert!(methods.contains(&0));
            say(&mut client, &[5, 0]);
        }
        Manner::Login | Manner::Drip => {
            if !methods.contains(&2) {
                say(&mut client, &[5, 0xFF]);
                return None;
            }
            say(&mut client, &[5, 2]);
            assert_eq!(take(&mut client)?, [1]);
            let login = (take_text(&mut client)?, take_text(&mut client)?);
            let wrong = login != ("someuser".to_owned(), "somepass".to_owned());
            say(&mut client, &[1, u8::from(wrong)]);
            if wrong {
                return None;
            }
        }
    }
    let [version, command, reserved, kind] = take(&mut client)?;
    assert_eq!([version, command, reserved], [5, 1, 0]);
    let host = match kind {
        1 => Ipv4Addr::from(take::<4>(&mut client)?).to_string(),
        3 => take_text(&mut client)?,
        4 => std::net::Ipv6Addr::from(take::<16>(&mut client)?).to_string(),
        _ => panic!("address type {kind}"),
    };
    let port = u16::from_be_bytes(take(&mut client)?);
    let _ = report.send((kind, format!("{host}:{port}")));
    let Ok(there) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        say(&mut client, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
        return None;
    };
    let reply: &[u8] = match kind {
        1 => &[5, 0, 0, 1, 127, 0, 0, 1, 9, 9],
        3 => b"\x05\x00\x00\x03\x09localhost\x09\x09",
        _ => &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9],
    };
    say(&mut client, reply);
    let pump = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    let (client_too, there_too) = (client.try_clone().unwrap(), there.try_clone().unwrap());
    std::thread::spawn(move || pump(there_too, client_too));
    pump(client, there);
    Some(())
}

fn through(proxy: &str, driver: Driver) -> impl Fn(&mut Options) + use<'_> {
    move |o| {
        o.set_driver(driver).set_socks_proxy(Some(proxy.to_owned()));
        o.set_reconnect_interval(Some(Duration::from_millis(5)));
        o.set_reconnect_interval_max(Some(Duration::from_millis(20)));
    }
}

/// Messages flow from a bound PUSH to a PULL that connects to `host` through the proxy.
fn communicates(host: &str, change: impl Fn(&mut Options), driver: Driver) {
    let context = Context::new();
    let push = Push::with(&context, driven_by(driver)).unwrap();
    let bound = push.bind("tcp://127.0.0.1:*").unwrap();
    let port = bound.rsplit(':').next().unwrap();
    let pull = Pull::with(&context, change).unwrap();
    pull.connect(&format!("tcp://{host}:{port}")).unwrap();
    for round in 0..3u8 {
        push.send(vec![round; 1 << (8 * round)]).unwrap();
        assert_eq!(*pull.recv_timeout(PATIENCE).unwrap().as_slice(), vec![round; 1 << (8 * round)]);
    }
}

fn retried(monitor: &Monitor) -> String {
    loop {
        let event = monitor.recv_timeout(PATIENCE).expect("a failure is told");
        if let EventKind::ConnectRetried { reason, .. } = event.kind {
            return reason;
        }
    }
}

#[test]
fn the_proxy_gets_names_unresolved_and_addresses_as_they_are() {
    for driver in DRIVERS {
        for (host, kind, asked) in [
            ("127.0.0.1", 1, "127.0.0.1"),
            ("somedomainname.invalid", 3, "somedomainname.invalid"),
            ("::1", 4, "::1"),
            ("[::1]", 4, "::1"),
        ] {
            let proxy = Proxy::start(Manner::Open);
            communicates(host, through(&proxy.address, driver), driver);
            let (seen_kind, seen) = proxy.asked_for();
            assert_eq!((seen_kind, seen.rsplit_once(':').unwrap().0), (kind, asked));
        }
    }
}

#[test]
fn users_log_in_also_octet_by_octet() {
    for (driver, manner) in [(DRIVERS[0], Manner::Login), (DRIVERS[1], Manner::Drip)] {
        let proxy = Proxy::start(manner);
        let login = |o: &mut Options| {
            through(&proxy.address, driver)(o);
            o.set_socks_username(Some("someuser".to_owned())).set_socks_password("somepass".into());
        };
        communicates("127.0.0.1", login, driver);
    }
    // Whoever need not log in does not.
    let proxy = Proxy::start(Manner::Open);
    let login = |o: &mut Options| {
        through(&proxy.address, Driver::Adaptive)(o);
        o.set_socks_username(Some("someuser".to_owned()));
    };
    communicates("localhost", login, Driver::Adaptive);
}

#[test]
fn the_way_to_the_proxy_may_have_a_source() {
    let proxy = Proxy::start(Manner::Open);
    let address = format!("127.0.0.1:0;{}", proxy.address);
    communicates("127.0.0.1", through(&address, Driver::Adaptive), Driver::Adaptive);
}

#[test]
fn a_proxy_that_comes_later_and_a_destination_that_comes_later_are_waited_for() {
    let place = reserved("tcp").strip_prefix("tcp://").unwrap().to_owned();
    let target = reserved("tcp");
    let context = Context::new();
    let push = Push::with(&context, through(&place, Driver::Adaptive)).unwrap();
    let monitor = push.monitor(1000);
    push.connect(&target).unwrap();
    push.send("patience").unwrap();
    retried(&monitor);
    let _proxy = Proxy::serve(TcpListener::bind(&place).unwrap(), Manner::Open);
    while !retried(&monitor).contains("refused by the destination") {}
    let pull = Pull::new(&context);
    pull.bind(&target).unwrap();
    assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "patience");
    assert_eq!(push.statistics().traffic.handshake_failures, 0, "these were failures to connect");
}

#[test]
fn refusals_are_told_and_tried_again() {
    let cases: [(Manner, &str); 7] = [
        (Manner::Login, "none of our ways"),
        (Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak SOCKS 5"),
        (Manner::Says(b"\x04\x5b"), "does not speak SOCKS 5"),
        (Manner::Says(b"\x05\x02"), "not offered"),
        (Manner::Says(b"\x05\x00\x05\x02\x00\x01\0\0\0\0\0\0"), "not allowed by its rules"),
        (Manner::Says(b"\x05\x00\x05\x00\x00\x09\0\0"), "unknown address type"),
        (Manner::Says(b"\x05\x00\x05"), "closed"),
    ];
    for driver in DRIVERS {
        for (manner, expected) in cases {
            let proxy = Proxy::start(manner);
            let context = Context::new();
            let push = Push::with(&context, through(&proxy.address, driver)).unwrap();
            let monitor = push.monitor(1000);
            push.connect("tcp://127.0.0.1:1").unwrap();
            // The proxy may close before it was asked, which the kernel tells as a reset.
            let reason = retried(&monitor);
            assert!(reason.contains(expected) || reason.contains("reset"), "{reason}");
            retried(&monitor);
            assert!(push.peers().iter().all(|peer| peer.state != PeerState::Ready));
        }
    }
    let proxy = Proxy::start(Manner::Login);
    let context = Context::new();
    let push = Push::with(&context, |o| {
        through(&proxy.address, Driver::Adaptive)(o);
        o.set_socks_username(Some("someuser".to_owned())).set_socks_password("wrong".into());
    })
    .unwrap();
    let monitor = push.monitor(1000);
    push.connect("tcp://127.0.0.1:1").unwrap();
    assert!(retried(&monitor).contains("refused user name and password"));
}

#[test]
fn a_silent_proxy_is_left_in_time() {
    for by_connect_timeout in [false, true] {
        let proxy = Proxy::start(Manner::Silent);
        let context = Context::new();
        let push = Push::with(&context, |o| {
            through(&proxy.address, Driver::Adaptive)(o);
            if by_connect_timeout {
                o.set_connect_timeout(Some(A_WHILE)).set_handshake_interval(None);
            } else {
                o.set_handshake_interval(Some(A_WHILE));
            }
        })
        .unwrap();
        let monitor = push.monitor(1000);
        push.connect("tcp://127.0.0.1:1").unwrap();
        let reason = retried(&monitor);
        let expected = if by_connect_timeout { "connect timeout" } else { "handshake interval" };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn raw_streams_go_through_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(Manner::Open);
    let context = Context::new();
    let stream = Stream::with(&context, through(&proxy.address, Driver::Adaptive)).unwrap();
    stream.connect(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"early bird").unwrap();
    let mut got = Vec::new();
    let id = loop {
        let message = stream.recv_timeout(PATIENCE).unwrap();
        let frames: Vec<_> = message.frames().collect();
        got.extend_from_slice(frames[1]);
        if got == b"early bird" {
            break frames[0].to_vec();
        }
    };
    stream.send(Message::from_frames([id, b"answer".to_vec()]).unwrap()).unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 6];
    far.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}

#[test]
fn other_transports_and_listeners_need_no_proxy() {
    let context = Context::new();
    let nowhere = |o: &mut Options| _ = o.set_socks_proxy(Some("127.0.0.1:1".to_owned()));
    for transport in ["ipc://*", "inproc://no-proxy"] {
        let pull = Pull::with(&context, nowhere).unwrap();
        let endpoint = pull.bind(transport).unwrap();
        let push = Push::with(&context, nowhere).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("direct").unwrap();
        assert_eq!(text(&pull.recv_timeout(PATIENCE).unwrap()), "direct");
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    let context = Context::new();
    let push = Push::new(&context);
    let refused = |change: &dyn Fn(&mut Options)| match push.configure(|o| change(o)) {
        Err(OptionError::Invalid { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    for proxy in ["", "host", "host:", ":1080", "*:1080", "host:0", "tcp://host:1080"] {
        assert_eq!(refused(&|o| _ = o.set_socks_proxy(Some(proxy.to_owned()))), "socks_proxy", "{proxy}");
    }
    assert_eq!(refused(&|o| _ = o.set_socks_username(Some("x".repeat(256)))), "socks_username");
    assert_eq!(refused(&|o| _ = o.set_socks_password("x".repeat(256).into())), "socks_password");
    push.configure(|o| {
        o.set_socks_proxy(Some("somehost:1080".to_owned())).set_socks_username(Some("x".repeat(255)));
        o.set_socks_password("hidden".into());
    })
    .unwrap();
    assert!(!format!("{:?}", push.options()).contains("hidden"));
}
