//! `tamtam zmq rep`: requests are printed and answered.

use tamtam_zmq::{Message, SocketType};

use super::args::RepArgs;
use super::input::encode_text;
use super::link::Link;
use super::receiver::{next, open_output, show};
use crate::codec::Codec;
use crate::exit::Outcome;
use crate::output::Output;
use crate::run::Run;

/// Answers requests with `--reply`, or with the request itself.
pub(crate) fn reply(run: &Run, args: &RepArgs) -> Outcome {
    let codec = args.encode.as_ref().map(|wanted| Codec::load(wanted, &args.proto.proto_path)).transpose()?;
    let fixed = args.reply.as_deref().map(|text| encode_text(text, codec.as_ref())).transpose()?;
    let output = open_output(run, &args.output, &args.proto)?;
    let link = Link::new(run, SocketType::Rep, &args.link, |_| {})?;
    link.attach()?;
    let result = answer_all(&link, output, args.count, fixed.as_ref());
    link.end(result)
}

fn answer_all(link: &Link<'_>, mut output: Output, count: Option<u64>, fixed: Option<&Message>) -> Outcome {
    let mut answered = 0_u64;
    while count.is_none_or(|count| answered < count) {
        let missing = || {
            let of = count.map_or_else(String::new, |count| format!(" of {count}"));
            format!("request at {} ({answered}{of} answered)", link.place())
        };
        let request = next(link, &mut output, missing)?;
        answered += 1;
        show(link.run, &mut output, &request, answered)?;
        link.send(fixed.cloned().unwrap_or(request))?;
    }
    output.finish()
}
