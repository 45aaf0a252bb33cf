//! `docs/from-asio.md`

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use futures_util::StreamExt as _;
use prost::Message as _;
use tamtam::{Node, NodeBuilder, Overflow, PublishError, Publisher, Qos, RawPublisher, Reach, Subscriber};
use tamtam_examples::demo::Imu;

use crate::{PATIENCE, Place};

// region: relay
/// Reads the old server's framing (four octets of length, a message) and publishes the messages as they are.
fn relay(mut old: TcpStream, imu: &Publisher<Imu>) -> Result<(), Box<dyn Error>> {
    const LARGEST: usize = 1 << 20;
    let mut length = [0; 4];
    while old.read(&mut length[..1])? == 1 {
        old.read_exact(&mut length[1..])?;
        let size = u32::from_be_bytes(length) as usize;
        if size > LARGEST {
            return Err(format!("a message of {size} octets").into());
        }
        let mut body = vec![0; size];
        old.read_exact(&mut body)?;
        RawPublisher::send(imu, body)?; // encoded already
    }
    Ok(())
}
// endregion

// region: publisher
/// Publishes what there is room for; returns how many samples had to be left out.
fn publish(node: &Node, samples: impl Iterator<Item = Imu>) -> Result<u64, Box<dyn Error>> {
    let qos = Qos::default().depth(100).overflow(Overflow::Error); // never waits
    let imu = node.publisher::<Imu>("/imu").qos(qos).create()?;
    imu.wait_for(1, Duration::from_secs(30))?;
    let mut left_out = 0;
    for sample in samples {
        match imu.send(&sample) {
            Err(PublishError::Full { slow }) => {
                left_out += 1; // nobody got this one
                eprintln!("{} cannot keep up", slow.join(", "));
            }
            other => _ = other?,
        }
    }
    imu.finish().drain(Duration::from_secs(30))?;
    Ok(left_out)
}
// endregion

// region: stream
/// Adds up what comes, on whatever executor this runs.
async fn sum(subscriber: Subscriber<Imu>) -> Result<f64, Box<dyn Error>> {
    let mut samples = subscriber.into_stream()?;
    let mut sum = 0.0;
    while let Some(sample) = samples.next().await {
        sum += sample?.x;
    }
    Ok(sum)
}
// endregion

// region: hosts
/// On the robot: can be asked at a port that others know, and publishes for other hosts, too.
fn robot(builder: NodeBuilder, listen: &str) -> Result<(Node, Publisher<Imu>), tamtam::Error> {
    let node = builder.listen(listen).open()?; // tcp://*:7400
    let imu = node.publisher("/imu").qos(Qos::default().reach(Reach::Network)).create()?;
    Ok((node, imu))
}

/// On the desk: knows the robot, and finds what it publishes by name.
fn desk(builder: NodeBuilder, robot: &str) -> Result<Subscriber<Imu>, tamtam::Error> {
    let node = builder.peer(robot).open()?; // tcp://robot:7400
    node.subscriber("/imu").create()
}
// endregion

fn samples(count: u32) -> impl Iterator<Item = Imu> {
    (0..count).map(|number| Imu { x: number.into(), ..Imu::default() })
}

/// The old server: sends ten messages.
fn old_server(listener: &TcpListener) {
    let (mut client, _) = listener.accept().unwrap();
    for sample in samples(10) {
        let body = sample.encode_to_vec();
        client.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
        client.write_all(&body).unwrap();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn an_old_server_becomes_a_topic() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let old = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || old_server(&listener));
    let publisher = place.node("relay").publisher::<Imu>("/imu").create().unwrap();
    let subscriber = place.node("new").subscriber::<Imu>("/imu").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let adder = thread::spawn(move || block_on(sum(subscriber)).unwrap());
    relay(old, &publisher).unwrap();
    server.join().unwrap();
    assert_eq!(publisher.finish().drain(PATIENCE).unwrap(), 10);
    assert_eq!(adder.join().unwrap(), 45.0);
}

#[test]
fn a_length_that_cannot_be_is_refused() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let old = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    listener.accept().unwrap().0.write_all(&[0xff; 4]).unwrap();
    let publisher = place.node("relay").publisher::<Imu>("/imu").create().unwrap();
    assert_eq!(relay(old, &publisher).unwrap_err().to_string(), "a message of 4294967295 octets");
}

/// What does not fit is known to the one who sends it, and nothing else is missing.
#[test]
fn a_slow_reader_is_named() {
    const COUNT: u32 = 30_000;
    let place = Place::new();
    let subscriber =
        place.node("slow").subscriber::<Imu>("/imu").qos(Qos::default().depth(1)).create().unwrap();
    let node = place.node("driver");
    let (last_one, all_sent) = mpsc::channel();
    let samples = samples(COUNT).inspect(move |sample| {
        if sample.x == f64::from(COUNT - 1) {
            last_one.send(()).unwrap();
        }
    });
    let driver = thread::spawn(move || publish(&node, samples).unwrap());
    all_sent.recv_timeout(PATIENCE).unwrap();
    let received = subscriber.iter().map(Result::unwrap).count() as u64;
    let left_out = driver.join().unwrap();
    assert!(left_out > 0);
    assert_eq!((received + left_out, subscriber.statistics().lost), (COUNT.into(), 0));
}

/// Two directories stand for two hosts.
#[test]
fn another_host_is_reached_by_its_name() {
    let (here, there) = (Place::new(), Place::new());
    let (node, publisher) = robot(there.builder("robot"), "tcp://127.0.0.1:*").unwrap();
    let known = node.info_endpoints().pop().unwrap();
    let subscriber = desk(here.builder("desk"), &known).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&Imu { x: 1.0, ..Imu::default() }).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap().unwrap().x, 1.0);
}
