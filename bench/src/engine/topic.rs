//! Tamtam's typed topics.

use std::sync::OnceLock;
use std::time::Duration;

use tamtam::{Frame, Node, Overflow, Publisher, Qos, Sample, Subscriber};

use super::tamtam::is_plain;
use super::{Engine, Kind, Tuning};
use crate::failure::{Failure, Outcome};
use crate::spec::SILENCE;

/// What is talked about: a node also finds its own publishers, so the way back has a name of its own.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    node: Node,
    name: &'static str,
    qos: Qos,
}

/// Publishers and subscribers of octets, which lose nothing; they find each other by an endpoint as all others here do.
pub(crate) struct Topic;

/// One end; a publisher comes to be when it is known where.
#[derive(Debug)]
pub(crate) enum End {
    Publisher(Subject, OnceLock<Publisher<Frame>>),
    Subscriber(Subject, OnceLock<Subscriber<Frame>>),
}

impl End {
    fn publisher(&self) -> Outcome<&Publisher<Frame>> {
        match self {
            Self::Publisher(.., made) => made.get().ok_or_else(|| Failure::new("not bound")),
            Self::Subscriber(..) => Err(Failure::new("a subscriber sends nothing")),
        }
    }

    fn subscriber(&self) -> Outcome<&Subscriber<Frame>> {
        match self {
            Self::Subscriber(.., made) => made.get().ok_or_else(|| Failure::new("not connected")),
            Self::Publisher(..) => Err(Failure::new("a publisher receives nothing")),
        }
    }
}

impl Engine for Topic {
    type Context = Node;
    type Socket = End;
    type Slot = Sample<Frame>;

    fn slot() -> Self::Slot {
        Sample::default()
    }

    fn context() -> Outcome<Node> {
        // Others of this machine, and other runs, are not meant.
        let domain = format!("bench-{}", std::process::id());
        Ok(Node::builder("bench").domain(&domain).open()?)
    }

    fn socket(node: &Node, kind: Kind, tuning: Tuning) -> Outcome<End> {
        let mut qos = Qos::default().overflow(Overflow::Block(SILENCE));
        if let Some(hwm) = tuning.hwm {
            qos = qos.depth(hwm);
        }
        let name = if tuning.back { "/bench/back" } else { "/bench" };
        let subject = Subject { node: node.clone(), name, qos };
        match kind {
            Kind::Publisher => Ok(End::Publisher(subject, OnceLock::new())),
            Kind::Sub => Ok(End::Subscriber(subject, OnceLock::new())),
            _ => Err(Failure::new("topics have publishers and subscribers only")),
        }
    }

    fn bind(end: &End, endpoint: &str) -> Outcome<String> {
        let End::Publisher(subject, place) = end else { return Err(Failure::new("subscribers connect")) };
        let Subject { node, name, qos } = subject;
        let made = node.publisher(name).qos(qos.clone()).at(endpoint).create()?;
        let bound = made.endpoints().first().cloned();
        let _first = place.set(made);
        bound.ok_or_else(|| Failure::new("bound nowhere"))
    }

    fn connect(end: &End, endpoint: &str) -> Outcome {
        let End::Subscriber(subject, place) = end else { return Err(Failure::new("publishers bind")) };
        let Subject { node, name, qos } = subject;
        let _first = place.set(node.subscriber(name).qos(qos.clone()).connect(endpoint).create()?);
        Ok(())
    }

    fn subscribe(_: &End) -> Outcome {
        // That is what a subscriber does.
        Ok(())
    }

    fn wait_for_subscribers(end: &End, count: usize, timeout: Duration) -> Outcome {
        end.publisher()?
            .wait_for(count, timeout)
            .map_err(|error| Failure::from(error).while_doing("subscribers"))
    }

    #[inline]
    fn send(end: &End, body: &[u8]) -> Outcome {
        end.publisher()?.send_slice(body)?;
        Ok(())
    }

    #[inline]
    fn receive<'a>(end: &End, slot: &'a mut Self::Slot) -> Outcome<&'a [u8]> {
        let subscriber = end.subscriber()?;
        let has_come = if is_plain() {
            subscriber.recv_timeout(SILENCE)?.map(|sample| *slot = sample).is_some()
        } else {
            subscriber.recv_into_timeout(slot, SILENCE)?
        };
        if has_come { Ok(&slot.value) } else { Err(Failure::new("the publisher has ended")) }
    }

    fn echo(_: &End, _: impl FnOnce(&[u8]) -> Outcome) -> Outcome {
        Err(Failure::new("topics have one direction"))
    }

    fn describe(end: &End) -> String {
        match end {
            End::Publisher(.., made) => format!("published {:?}", made.get().map(|made| made.published())),
            End::Subscriber(.., made) => format!("{:?}", made.get().map(|made| made.statistics())),
        }
    }
}
