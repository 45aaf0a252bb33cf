//! What only its own process reaches.

mod common;

use std::io::Read as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use common::child::{Process, role};
use common::{PATIENCE, Place, body, eventually, text};
use tamtam::{Event, Graph, Node, Overflow, Qos, Reach};

fn within() -> Qos {
    Qos::default().reach(Reach::Process)
}

/// All files below a directory, by their names.
fn files(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    let names = entries.flat_map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        false => vec![entry.file_name().into_string().unwrap()],
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn all_nodes_of_the_process_get_every_message_and_nothing_is_left_in_the_registry() {
    let place = Place::new();
    let (driver, logger) = (place.node("driver"), place.node("logger"));
    let before = files(place.path());
    let publisher = driver.publisher::<Bytes>("/frames").qos(within()).create().unwrap();
    assert_eq!(files(place.path()), before, "no file");
    let readers: Vec<_> = [&driver, &logger]
        .map(|node| {
            let subscriber = node.subscriber::<Bytes>("/frames").create().unwrap();
            thread::spawn(move || {
                let got: Vec<String> = subscriber.iter().map(|sample| text(&sample.unwrap())).collect();
                (got.len(), got.last().cloned(), subscriber.statistics().lost)
            })
        })
        .into();
    publisher.wait_for(2, PATIENCE).unwrap();
    let mut names = publisher.subscriber_names();
    names.sort();
    assert_eq!(names, ["driver", "logger"]);
    let seen = Graph::read("test", Some(place.path())).unwrap().topics();
    assert!(seen["/frames"].publishers.is_empty(), "who looks from outside sees that two subscribe");
    assert_eq!(seen["/frames"].subscribers.len(), 2);
    let seen = logger.wait_for_graph(PATIENCE, |graph| graph.topics()["/frames"].subscribers.len() == 2);
    assert_eq!(seen.unwrap().topics()["/frames"].publishers[0].0, "driver");
    for number in 0..10_000 {
        publisher.send(&body(number)).unwrap();
    }
    assert_eq!(publisher.finish().drain(PATIENCE), Ok(10_000));
    for reader in readers {
        assert_eq!(reader.join().unwrap(), (10_000, Some("9999".to_owned()), 0));
    }
    logger.wait_for_graph(PATIENCE, |graph| graph.topics().is_empty()).unwrap();
}

/// Whoever starts first; and what comes later gets what is kept.
#[test]
fn order_latches_and_ends_are_as_everywhere() {
    let place = Place::new();
    let early = place.node("early");
    let subscriber = early.subscriber::<Bytes>("/map").create().unwrap();
    let driver = place.node("driver");
    let publisher = driver.publisher::<Bytes>("/map").qos(within().latch(1)).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&"now".into()).unwrap();
    let late = place.node("late").subscriber::<Bytes>("/map").create().unwrap();
    for (reader, latched) in [(&subscriber, false), (&late, true)] {
        let sample = reader.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!((text(&sample), sample.info.latched), ("now".to_owned(), latched));
    }
    drop(publisher);
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None), "that it ends is said");
}

/// Losses are told at both ends, by the node's questions and answers as ever.
#[test]
fn what_is_lost_is_told_at_both_ends() {
    let place = Place::new();
    let qos = within().depth(1).overflow(Overflow::DropNewest);
    let publisher = place.node("driver").publisher::<Bytes>("/t").qos(qos).create().unwrap();
    let slow = place.node("slow").subscriber::<Bytes>("/t").qos(Qos::default().depth(1)).create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let large = Bytes::from(vec![0; 1_000_000]);
    while publisher.dropped() == 0 {
        publisher.send(&large).unwrap();
    }
    let reader = thread::spawn(move || {
        while slow.recv_timeout(PATIENCE).unwrap().is_some() {}
        assert!(std::iter::from_fn(|| slow.event(PATIENCE)).any(|event| matches!(event, Event::Lost { .. })));
    });
    while publisher.subscribers() > 0 {
        match publisher.event(Duration::from_millis(20)) {
            Some(tamtam::PublisherEvent::Lost { node, .. }) => {
                assert_eq!(node, "slow");
                break;
            }
            // As long as there is no room its next number cannot come either.
            _ => _ = publisher.send(&Bytes::new()).unwrap(),
        }
    }
    publisher.finish().drain(PATIENCE).unwrap();
    reader.join().unwrap();
}

#[test]
fn other_places_are_other_worlds() {
    let (place, other) = (Place::new(), Place::new());
    let driver = place.node("driver");
    let _hidden = driver.publisher::<Bytes>("/hidden").qos(within()).create().unwrap();
    let open = driver.publisher::<Bytes>("/open").create().unwrap();
    let elsewhere = other.node("elsewhere");
    let domain = place.builder("domain").domain("else").open().unwrap();
    for node in [&elsewhere, &domain] {
        let own = node.publisher::<Bytes>("/own").qos(within()).create().unwrap();
        let graph = node.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/own")).unwrap();
        assert_eq!(graph.topics().into_keys().collect::<Vec<_>>(), ["/own"]);
        drop(own);
    }
    drop(open);
}

/// Another process neither sees it nor gets in, even if it knows where it is.
#[test]
fn other_processes_are_kept_out() {
    const SELF: &str = "other_processes_are_kept_out";
    if let Some((endpoint, place)) = role() {
        let node = Node::builder("stranger").domain("test").directory(place).open().unwrap();
        let graph = node.wait_for_graph(PATIENCE, |graph| graph.topics().contains_key("/open")).unwrap();
        assert_eq!(graph.topics().into_keys().collect::<Vec<_>>(), ["/open"]);
        assert!(graph.services().is_empty());
        let name = endpoint.strip_prefix("ipc://@").unwrap();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Closed at once, without a word.
        let mut greeting = Vec::new();
        assert!(matches!(stream.read_to_end(&mut greeting), Ok(0) | Err(_)) && greeting.is_empty());
        println!("kept out");
        return;
    }
    let place = Place::new();
    let driver = place.node("driver");
    let hidden = driver.publisher::<Bytes>("/hidden").qos(within()).create().unwrap();
    let _service = driver
        .service_with_reach("/echo", Reach::Process, |request: Bytes| Ok::<Bytes, String>(request))
        .unwrap();
    let _open = driver.publisher::<Bytes>("/open").create().unwrap();
    let mut stranger = Process::spawn(SELF, &hidden.endpoints()[0], place.path());
    stranger.expect("kept out");
    stranger.wait();
    assert_eq!(hidden.subscribers(), 0);
}

#[test]
fn services_answer_the_nodes_of_their_process() {
    let place = Place::new();
    let (server, asker) = (place.node("server"), place.node("asker"));
    let before = files(place.path());
    let service = server
        .service_with_reach("/echo", Reach::Process, |request: Bytes| Ok::<Bytes, String>(request))
        .unwrap();
    assert_eq!(files(place.path()), before);
    assert!(service.endpoints()[0].starts_with("ipc://@tamtam-"), "{:?}", service.endpoints());
    assert!(Graph::read("test", Some(place.path())).unwrap().services().is_empty());
    let client = asker.client::<Bytes, Bytes>("/echo").unwrap();
    assert_eq!(client.call(&"hello".into(), PATIENCE), Ok("hello".into()));
    assert_eq!(asker.graph().services()["/echo"][0].0, "server");
    drop(service);
    asker.wait_for_graph(PATIENCE, |graph| graph.services().is_empty()).unwrap();
}

/// A node that only looks stays out of the registry with it.
#[test]
fn hidden_nodes_stay_hidden() {
    let place = Place::new();
    let tool = place.builder("tool").hidden().open().unwrap();
    let publisher = tool.publisher::<Bytes>("/t").qos(within()).create().unwrap();
    let reader = place.node("reader");
    let subscriber = reader.subscriber::<Bytes>("/t").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let seen = Graph::read("test", Some(place.path())).unwrap();
    assert_eq!(seen.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["reader"]);
    assert_eq!(reader.graph().nodes.len(), 2, "within the process it is known");
    publisher.send(&"x".into()).unwrap();
    assert_eq!(text(&subscriber.recv_timeout(PATIENCE).unwrap().unwrap()), "x");
    drop((publisher, tool));
    eventually("it is gone", || reader.graph().nodes.len() == 1);
}
