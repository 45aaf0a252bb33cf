//! `tamtam echo`

use std::collections::HashSet;

use prost_reflect::DynamicMessage;
use tamtam::DynamicSample;
use tamtam::schema::{Comparison, Schema};

use super::args::{EchoArgs, Format};
use super::inbox::Inbox;
use super::news::publisher_name;
use super::presence::count;
use super::printer::{Printer, Shown};
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::output::escape;
use crate::run::Run;

/// Prints what is published on a topic.
pub(crate) fn echo(run: &Run, args: &EchoArgs) -> Outcome {
    let expected = match &args.proto {
        Some(wanted) => Some(Codec::load(wanted, &args.proto_path)?.schema()?),
        None => None,
    };
    let node = run.node("echo")?;
    let mut builder = node.subscriber_dynamic(&args.topic).expect_publishers(args.publishers.get());
    if let Some(schema) = &expected {
        builder = builder.schema(schema.clone());
    }
    for endpoint in &args.connect {
        builder = builder.connect(endpoint);
    }
    if let Some(end) = &args.plain {
        builder = builder.plain(end.clone());
    }
    if let Some(endpoint) = &args.sync {
        builder = builder.sync(endpoint);
    }
    let subscriber = builder.create().map_err(|error| Failure::failed(format!("{}: {error}", args.topic)))?;
    run.stop
        .when_output_closes()
        .map_err(|error| Failure::failed(format!("cannot watch standard output: {error}")))?;
    let format = args.format.unwrap_or(if run.global.json { Format::Json } else { Format::Text });
    let mut echo = Echo {
        args,
        expected,
        topic: subscriber.topic().to_string(),
        inbox: Inbox::new(run, node, subscriber, &args.connect),
        printer: Printer::new(format, &args.field, !args.no_info),
        checked: HashSet::new(),
        printed: 0,
        undecodable: 0,
    };
    let outcome = echo.print_all();
    let flushed = echo.printer.flush();
    let lost = echo.summarise();
    outcome.and(flushed)?;
    if lost > 0 {
        return Err(Failure::data_lost(format!(
            "{} of {} lost",
            count(lost, "message", "messages"),
            echo.topic
        )));
    }
    if echo.undecodable > 0 {
        let what = count(echo.undecodable, "message", "messages");
        return Err(Failure::incompatible(format!("{what} of {} could not be decoded", echo.topic)));
    }
    Ok(())
}

struct Echo<'a> {
    args: &'a EchoArgs,
    /// The type that --proto names.
    expected: Option<Schema>,
    topic: String,
    inbox: Inbox<'a>,
    printer: Printer,
    /// The types that fields and filter were looked for in, by their schemas' ids.
    checked: HashSet<String>,
    printed: u64,
    undecodable: u64,
}

impl Echo<'_> {
    fn print_all(&mut self) -> Outcome {
        let wanted = if self.args.once { Some(1) } else { self.args.count };
        while wanted.is_none_or(|wanted| self.printed < wanted) {
            let Self { inbox, printer, .. } = self;
            let Some(sample) = inbox.next(|| printer.flush())? else {
                if let Some(wanted) = wanted {
                    let printed = self.printed;
                    self.inbox.run.tell(&format!("{}: END after {printed} of {wanted}", self.topic));
                }
                return Ok(());
            };
            self.print(&sample)?;
        }
        Ok(())
    }

    fn print(&mut self, sample: &DynamicSample) -> Outcome {
        let message = self.decode(sample)?;
        match (&self.args.filter, &message) {
            (Some(filter), Some(message)) if !filter.holds(message) => return Ok(()),
            (Some(_), None) if sample.schema.is_some() => return Ok(()),
            _ => {}
        }
        self.printed += 1;
        let info = &sample.info;
        self.printer.print(&Shown {
            topic: &self.topic,
            seq: info.seq,
            stamp: info.stamp,
            source: info.source,
            publisher: info
                .source
                .map(|source| publisher_name(&self.inbox.subscriber, source))
                .unwrap_or_default(),
            latched: info.latched,
            type_name: sample.schema.as_ref().map(|schema| schema.name().to_owned()),
            body: &sample.body,
            message,
        })
    }

    fn decode(&mut self, sample: &DynamicSample) -> Outcome<Option<DynamicMessage>> {
        self.check(sample.schema.as_ref())?;
        match sample.decode() {
            Ok(message) => Ok(message),
            Err(error) => {
                self.undecodable += 1;
                let name = sample.schema.as_ref().map(|schema| schema.name().to_owned()).unwrap_or_default();
                self.inbox.run.tell(&format!(
                    "{}: message {} is no {}: {}",
                    self.topic,
                    sample.info.seq,
                    escape(name.as_bytes()),
                    escape(error.to_string().as_bytes())
                ));
                Ok(None)
            }
        }
    }

    /// Looks, once for each type, whether it is what was asked for.
    fn check(&mut self, schema: Option<&Schema>) -> Outcome {
        let asked = self.args.filter.is_some() || !self.args.field.is_empty();
        let Some(schema) = schema else {
            if asked {
                let why = "publishes bytes without a type, which have no fields for --field and --filter";
                return Err(Failure::usage(format!(
                    "{} {why} (--proto FILE.proto:TYPE says what they are)",
                    self.topic
                )));
            }
            return Ok(());
        };
        if !self.checked.insert(schema.id().to_string()) {
            return Ok(());
        }
        if let Some(expected) = &self.expected
            && let Comparison::Breaking { what } = Schema::compare(schema, expected)
        {
            let what = escape(what.join("; ").as_bytes());
            return Err(Failure::incompatible(format!(
                "{} is published as another type than --proto says: {what}",
                self.topic
            )));
        }
        for path in &self.args.field {
            path.check(schema.message()).map_err(|why| Failure::usage(format!("--field {path}: {why}")))?;
        }
        match &self.args.filter {
            Some(filter) => {
                filter.check(schema.message()).map_err(|why| Failure::usage(format!("--filter: {why}")))
            }
            None => Ok(()),
        }
    }

    /// Tells what came; returns how many messages are missing.
    fn summarise(&self) -> u64 {
        let statistics = self.inbox.subscriber.statistics();
        let shown = if statistics.received == self.printed {
            String::new()
        } else {
            format!(", {} printed", self.printed)
        };
        self.inbox.run.tell(&format!(
            "{}: {} received{shown}, {} lost",
            self.topic,
            count(statistics.received, "message", "messages"),
            statistics.lost
        ));
        statistics.lost
    }
}
