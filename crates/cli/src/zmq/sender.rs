//! `tamtam zmq pub` and `tamtam zmq push`: input becomes messages.

use std::time::{Duration, Instant};

use tamtam_zmq::{BarrierError, Frame, Message, SocketType};

use super::args::{PubArgs, PushArgs};
use super::input::Input;
use super::link::Link;
use super::pace::Pace;
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// How long one look for subscribers lasts: between two of them the wish to stop is heard.
const BARRIER_STEP: Duration = Duration::from_millis(100);

/// Publishes the input.
pub(crate) fn publish(run: &Run, args: &PubArgs) -> Outcome {
    let topic = args.topic.as_ref().map(|topic| Frame::from(topic.as_str()));
    let input = Input::open(&run.stop, &args.input, &args.proto, args.count, topic)?;
    let link = Link::new(run, SocketType::Pub, &args.link, |options| {
        options.set_xpub_nodrop(!args.drop);
    })?;
    link.attach()?;
    if let Some(wanted) = args.wait {
        await_subscribers(&link, wanted)?;
    }
    let result = send_all(&link, input, args.input.rate, args.end.as_deref());
    if result.is_ok() && link.socket.statistics().traffic.messages_out == 0 {
        let place = link.place();
        run.tell(&format!("warning: nobody had subscribed at {place} (--wait 1 waits for a subscriber)"));
    }
    link.end(result)
}

/// Shares the input out.
pub(crate) fn push(run: &Run, args: &PushArgs) -> Outcome {
    let input = Input::open(&run.stop, &args.input, &args.proto, args.count, None)?;
    let link = Link::new(run, SocketType::Push, &args.link, |_| {})?;
    link.attach()?;
    let result = send_all(&link, input, args.input.rate, args.end.as_deref());
    link.end(result)
}

fn send_all(link: &Link<'_>, input: Input, rate: Option<Duration>, end: Option<&str>) -> Outcome {
    let mut pace = Pace::new(&link.run.stop, rate);
    for message in input {
        let message = message?;
        pace.wait()?;
        link.send(message)?;
    }
    end.map_or(Ok(()), |end| link.send(Message::from(end)))
}

fn await_subscribers(link: &Link<'_>, wanted: usize) -> Outcome {
    let begun = Instant::now();
    loop {
        let waited = begun.elapsed();
        let left = link.run.timeout().map(|timeout| timeout.saturating_sub(waited));
        match link.socket.wait_for_subscribers(wanted, left.unwrap_or(BARRIER_STEP).min(BARRIER_STEP)) {
            Ok(()) => return Ok(()),
            Err(BarrierError { attached, .. }) => {
                link.run.stop.check()?;
                if left.is_some_and(|left| left.is_zero()) {
                    let waited = waited.as_secs_f64();
                    return Err(Failure::timed_out(format!(
                        "{attached} of {wanted} subscribers after {waited:.1} s ({})",
                        link.place()
                    )));
                }
            }
        }
    }
}
