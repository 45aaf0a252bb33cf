//! `tamtam zmq sub` and `tamtam zmq pull`: messages become output.

use tamtam_zmq::{Message, SocketType};

use super::args::{OutputArgs, ProtoArgs, PullArgs, SubArgs};
use super::link::Link;
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output};
use crate::run::Run;

/// Prints what publishers send.
pub(crate) fn subscribe(run: &Run, args: &SubArgs) -> Outcome {
    let output = open_output(run, &args.output, &args.proto)?;
    let link = Link::new(run, SocketType::Sub, &args.link, |_| {})?;
    let all = [String::new()];
    let topics: &[String] = if args.topic.is_empty() { &all } else { &args.topic };
    // The marker has to get through the publisher's filter, too.
    for topic in topics.iter().chain(&args.end) {
        link.socket
            .subscribe(topic)
            .map_err(|error| Failure::failed(format!("cannot subscribe to {topic:?}: {error}")))?;
    }
    link.attach()?;
    let wanted =
        |message: &Message| topics.iter().any(|topic| message.as_slice().starts_with(topic.as_bytes()));
    let result = print_all(&link, output, args.count, args.end.as_deref(), wanted);
    link.print_statistics();
    result
}

/// Prints what PUSH sockets send.
pub(crate) fn pull(run: &Run, args: &PullArgs) -> Outcome {
    let output = open_output(run, &args.output, &args.proto)?;
    let link = Link::new(run, SocketType::Pull, &args.link, |_| {})?;
    link.attach()?;
    let result = print_all(&link, output, args.count, args.end.as_deref(), |_| true);
    link.print_statistics();
    result
}

/// Opens standard output as the options say, and has the command end when nobody reads it any more.
pub(crate) fn open_output(run: &Run, args: &OutputArgs, proto: &ProtoArgs) -> Outcome<Output> {
    let codec = args.decode.as_ref().map(|wanted| Codec::load(wanted, &proto.proto_path)).transpose()?;
    let format = args.format.unwrap_or(if run.global.json { Format::Json } else { Format::Text });
    run.stop
        .when_output_closes()
        .map_err(|error| Failure::failed(format!("cannot watch standard output: {error}")))?;
    Ok(Output::new(format, codec))
}

/// Prints a message; tells when it could not be decoded.
pub(crate) fn show(run: &Run, output: &mut Output, message: &Message, number: u64) -> Outcome {
    if let Some(trouble) = output.print(message)? {
        run.tell(&format!("message {number}: {trouble}"));
    }
    Ok(())
}

/// Takes the next message; before it waits for one, everything printed is flushed.
pub(crate) fn next(
    link: &Link<'_>,
    output: &mut Output,
    missing: impl FnOnce() -> String,
) -> Outcome<Message> {
    if let Some(message) = link.recv_now() {
        return Ok(message);
    }
    output.flush()?;
    link.recv(missing)
}

fn print_all(
    link: &Link<'_>,
    mut output: Output,
    count: Option<u64>,
    end: Option<&str>,
    wanted: impl Fn(&Message) -> bool,
) -> Outcome {
    let mut received = 0_u64;
    let progress = |received: u64| {
        let of = count.map_or_else(String::new, |count| format!(" of {count}"));
        let end = end.map_or_else(String::new, |end| format!(", no {end}"));
        format!("message from {} ({received}{of} received{end})", link.place())
    };
    while count.is_none_or(|count| received < count) {
        let message = match next(link, &mut output, || progress(received)) {
            Ok(message) => message,
            Err(failure) => {
                output.flush()?;
                return Err(failure);
            }
        };
        if !message.is_multipart() && end.is_some_and(|end| message.as_slice() == end.as_bytes()) {
            output.finish()?;
            return match count {
                Some(count) => Err(Failure::data_lost(format!(
                    "the end came after {received} of {count} messages from {}",
                    link.place()
                ))),
                None => Ok(()),
            };
        }
        if wanted(&message) {
            received += 1;
            show(link.run, &mut output, &message, received)?;
        }
    }
    output.finish()
}
