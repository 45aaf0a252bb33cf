//! `tamtam call`

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tamtam::{CallError, Node, ServiceInfo};

use super::args::{CallArgs, Format};
use super::patience::unless_stopped;
use super::presence::{full_name, names};
use super::printer::{Printer, Shown};
use super::types::{BYTES, fetch, grace, look};
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::output::{Format as Lines, Output, escape, to_json};
use crate::run::Run;
use crate::units;
use crate::zmq::Interruptible;

/// How long an answer may take if nothing is said.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a service, and prints what it answers.
pub(crate) fn call(run: &Run, args: &CallArgs) -> Outcome {
    let node = run.node("call")?;
    let name = full_name(&node, &args.service)?;
    let client = node
        .client::<Bytes, Bytes>(&args.service)
        .map_err(|error| Failure::failed(format!("{name}: {error}")))?;
    let [request_codec, reply_codec] = codecs(run, args, &node, &name)?;
    let data = match args.data.as_str() {
        "-" => Interruptible::new(&run.stop).read_to_end()?,
        data => data.as_bytes().to_vec(),
    };
    let request = match &request_codec {
        Some(codec) => codec.encode(&data).map_err(Failure::incompatible)?.into(),
        None if args.data == "-" => Bytes::from(data),
        None => units::octets(&args.data).map_err(Failure::usage)?,
    };
    let begun = Instant::now();
    let patience = run.timeout().unwrap_or(PATIENCE);
    let answered = unless_stopped(&run.stop, move || client.call(&request, patience))?;
    let waited = begun.elapsed().as_secs_f64();
    let reply = answered.map_err(|error| match error {
        CallError::NoServer(_) => no_service(&node, &name),
        CallError::TimedOut(_) => Failure::timed_out(format!("no answer from {name} within {waited:.1} s")),
        CallError::Remote(text) => Failure::failed(format!("{name} says: {}", escape(text.as_bytes()))),
        CallError::Decode(error) => Failure::incompatible(format!("{name}: {error}")),
        other => Failure::failed(format!("{name}: {other}")),
    })?;
    print(run, args, &name, reply_codec.as_ref(), &reply, waited)
}

fn no_service(node: &Node, name: &str) -> Failure {
    let known: Vec<String> = node.graph().services().into_keys().collect();
    let known = if known.is_empty() { "none".to_owned() } else { names(&known) };
    Failure::not_found(format!(
        "nobody offers {name} in domain {:?} (services there: {known})",
        node.domain()
    ))
}

/// Returns how requests and replies are written; `None`: as octets.
fn codecs(run: &Run, args: &CallArgs, node: &Node, name: &str) -> Outcome<[Option<Codec>; 2]> {
    if let Some(types) = &args.types {
        return types.load(args.proto.as_deref(), &args.proto_path);
    }
    let service: Option<ServiceInfo> = look(run, node, Some(grace(run)), |graph| {
        graph.services().remove(name).and_then(|offers| offers.into_iter().next()).map(|(_, service)| service)
    })?;
    let Some(service) = service else { return Err(no_service(node, name)) };
    let request = fetch(run, node, &service.request_type, service.request_schema.as_ref())?;
    let reply = fetch(run, node, &service.reply_type, service.reply_schema.as_ref())?;
    Ok([request, reply].map(|schema| schema.map(|schema| Codec::of(schema.message().clone()))))
}

fn print(
    run: &Run,
    args: &CallArgs,
    name: &str,
    codec: Option<&Codec>,
    reply: &Bytes,
    waited: f64,
) -> Outcome {
    let decoded = codec.map(|codec| codec.decode(reply)).transpose();
    let decoded = decoded.map_err(|why| Failure::incompatible(format!("{name}: {why}")))?;
    let format = args.format.unwrap_or(if run.global.json { Format::Json } else { Format::Text });
    if format == Format::Json {
        let message: Value = match &decoded {
            Some(decoded) => decoded.to_json().map_err(Failure::incompatible)?,
            None => to_json(reply),
        };
        let type_name = codec.map_or(BYTES, Codec::type_name);
        let object = json!({ "service": name, "type": type_name, "reply": message, "seconds": waited });
        let mut output = Output::new(Lines::Text, None);
        output.line(&object.to_string())?;
        return output.finish();
    }
    let mut printer = Printer::new(format, &[], false);
    printer.print_alone(&Shown {
        topic: name,
        seq: 0,
        stamp: None,
        source: None,
        publisher: String::new(),
        latched: false,
        type_name: codec.map(|codec| codec.type_name().to_owned()),
        body: reply,
        message: decoded.map(|decoded| decoded.message().clone()),
    })
}
