//! `tamtam zmq req`: each message of the input is a request, each reply is printed.

use tamtam_zmq::SocketType;

use super::args::ReqArgs;
use super::input::Input;
use super::link::Link;
use super::pace::Pace;
use super::receiver::{open_output, show};
use crate::exit::Outcome;
use crate::output::Output;
use crate::run::Run;

/// Sends the requests one after the other.
pub(crate) fn request(run: &Run, args: &ReqArgs) -> Outcome {
    let input = Input::open(&run.stop, &args.input, &args.proto, args.count, None)?;
    let output = open_output(run, &args.output, &args.proto)?;
    let link = Link::new(run, SocketType::Req, &args.link, |_| {})?;
    link.attach()?;
    let result = ask_all(&link, input, output, Pace::new(&run.stop, args.input.rate));
    link.print_statistics();
    result
}

fn ask_all(link: &Link<'_>, input: Input, mut output: Output, mut pace: Pace<'_>) -> Outcome {
    let mut replies = 0_u64;
    for request in input {
        let request = request?;
        pace.wait()?;
        link.send(request)?;
        let reply = link.recv(|| format!("reply from {} ({replies} received)", link.place()))?;
        replies += 1;
        show(link.run, &mut output, &reply, replies)?;
        output.flush()?;
    }
    output.finish()
}
