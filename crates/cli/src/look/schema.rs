//! `tamtam schema`: what messages look like.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};
use tamtam::schema::{Comparison, Schema};

use super::args::{CheckArgs, DiffArgs, PullArgs, SchemaCommand, SchemaFormat, ShowArgs};
use super::names::{count, safe};
use super::source::{self, Found};
use super::survey::{Survey, short};
use super::{print, print_json};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::coloured;
use crate::run::Run;
use crate::table::Paint;

/// Runs the command.
pub(crate) fn run(run: &Run, command: &SchemaCommand) -> Outcome {
    match command {
        SchemaCommand::Show(args) => show(run, args),
        SchemaCommand::Pull(args) => pull(run, args),
        SchemaCommand::Diff(args) => diff(run, args),
        SchemaCommand::Check(args) => check(run, args),
    }
}

fn show(run: &Run, args: &ShowArgs) -> Outcome {
    // Without --format, --json is one.
    let format = match args.format {
        SchemaFormat::Proto if run.global.json => SchemaFormat::Json,
        format => format,
    };
    if format == SchemaFormat::Fds {
        refuse_terminal()?;
    }
    let found = source::topic_or_type(run, &args.what)?;
    match format {
        SchemaFormat::Proto => {
            let several = found.len() > 1;
            for Found { schema, from } in &found {
                if several {
                    print([format!("// of {from}")])?;
                }
                print([schema.to_proto().trim_end()])?;
            }
            Ok(())
        }
        SchemaFormat::Json => print_json(found.iter().map(|found| to_json(&found.schema, &found.from))),
        SchemaFormat::Fds => match &found[..] {
            [only] => write_output(only.schema.descriptor_set()),
            _ => Err(Failure::failed(format!(
                "{} schemas are in use; one file holds one. `tamtam schema show {}` shows them",
                found.len(),
                safe(&args.what)
            ))),
        },
    }
}

fn refuse_terminal() -> Outcome {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("a descriptor set is not for a terminal; send it to a file (> FILE.fds)"));
    }
    Ok(())
}

fn write_output(octets: &[u8]) -> Outcome {
    let mut stdout = io::stdout();
    stdout.write_all(octets).and_then(|()| stdout.flush()).map_err(|error| Failure::output(&error))
}

fn to_json(schema: &Schema, from: &str) -> Value {
    json!({
        "type": schema.name(),
        "schema": schema.id().to_string(),
        "from": from,
        "descriptors": descriptors(schema),
        "proto": schema.to_proto(),
    })
}

/// Returns the descriptor set in Protobuf's JSON form, in which Protobuf describes itself.
fn descriptors(schema: &Schema) -> Option<Value> {
    let set = DescriptorPool::global().get_message_by_name("google.protobuf.FileDescriptorSet")?;
    let message = DynamicMessage::decode(set, schema.descriptor_set().clone()).ok()?;
    let options = SerializeOptions::new().skip_default_fields(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).ok()
}

fn pull(run: &Run, args: &PullArgs) -> Outcome {
    let to_stdout = args.output == Path::new("-");
    if to_stdout {
        refuse_terminal()?;
    }
    let survey = Survey::read(run, "schema")?;
    let (name, topic) = survey.topic(&args.topic)?;
    let Found { schema, .. } = source::of_topic(run, &survey, &name, &topic)?;
    let octets = schema.descriptor_set();
    if to_stdout {
        return write_output(octets);
    }
    let file = args.output.display();
    std::fs::write(&args.output, octets)
        .map_err(|error| Failure::failed(format!("cannot write {file}: {error}")))?;
    if run.global.json {
        return print_json([json!({
            "topic": name,
            "type": schema.name(),
            "schema": schema.id().to_string(),
            "file": args.output.to_string_lossy(),
            "bytes": octets.len(),
        })]);
    }
    run.tell(&format!(
        "{file}: {} ({}), {}",
        schema.name(),
        short(&schema.id()),
        count(octets.len(), "byte")
    ));
    Ok(())
}

fn diff(run: &Run, args: &DiffArgs) -> Outcome {
    let writer = source::file_or_topic(run, &args.writer, &args.imports.proto_path)?;
    let reader = source::file_or_topic(run, &args.reader, &args.imports.proto_path)?;
    judge(run, &[writer], &reader)
}

fn check(run: &Run, args: &CheckArgs) -> Outcome {
    let Some(reader) = source::file(&args.reader, &args.imports.proto_path)? else {
        return Err(Failure::usage(format!(
            "{} is no file with types; write FILE.proto:TYPE or FILE.fds:TYPE (for two topics there is \
             `tamtam schema diff`)",
            safe(&args.reader)
        )));
    };
    let survey = Survey::read(run, "schema")?;
    let (name, topic) = survey.topic(&args.topic)?;
    if topic.publishers.is_empty() {
        return Err(Failure::not_found(format!(
            "nobody publishes {name}, so there is nothing to check; `tamtam schema diff {name} {}` compares \
             with its subscribers' type",
            safe(&args.reader)
        )));
    }
    let writers = source::all_of_topic(run, &survey, &name, &topic)?;
    judge(run, &writers, &reader)
}

/// Compares each writer with the reader, prints the verdicts, and fails if one of them is bad.
fn judge(run: &Run, writers: &[Found], reader: &Found) -> Outcome {
    let mut breaking = 0;
    for writer in writers {
        let comparison = Schema::compare(&writer.schema, &reader.schema);
        breaking += usize::from(comparison.is_breaking());
        let (word, details, paint) = match &comparison {
            Comparison::Identical => ("identical", &[][..], Paint::Good),
            Comparison::Compatible { notes } => ("compatible", &notes[..], Paint::Good),
            Comparison::Breaking { what } => ("breaking", &what[..], Paint::Bad),
        };
        if run.global.json {
            let side = |side: &Found| {
                json!({
                    "from": side.from, "type": side.schema.name(), "schema": side.schema.id().to_string(),
                })
            };
            print_json([json!({
                "verdict": word, "writer": side(writer), "reader": side(reader), "details": details,
            })])?;
            continue;
        }
        let side =
            |side: &Found| format!("{} {} of {}", side.schema.name(), short(&side.schema.id()), side.from);
        print([
            paint.on(word, coloured(run.global.color)),
            format!("  written: {}", side(writer)),
            format!("  read as: {}", side(reader)),
        ])?;
        print(details.iter().map(|detail| format!("  {}", safe(detail))))?;
    }
    if breaking == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Incompatible,
        format!(
            "a reader of {} does not understand {}",
            reader.from,
            writers.iter().map(|writer| writer.from.as_str()).collect::<Vec<_>>().join(", ")
        ),
    ))
}
