//! `tamtam info` and `tamtam type`.

use serde_json::json;

use super::args::TopicArgs;
use super::names::safe;
use super::notes::{self, Weight};
use super::survey::{End, Survey, short, topic_json};
use super::{print, print_json, print_table};
use crate::exit::Outcome;
use crate::output::coloured;
use crate::run::Run;
use crate::table::{Paint, Table};

/// Shows all that is known of a topic.
pub(crate) fn show(run: &Run, args: &TopicArgs) -> Outcome {
    let survey = Survey::read(run, "info")?;
    let (name, topic) = survey.topic(&args.topic)?;
    // A schema that cannot be read cannot be compared; that is noted.
    let notes = notes::of(&topic, |type_name, id| survey.schema(run, type_name, id).ok().flatten());
    if run.global.json {
        let mut object = topic_json(&name, &topic);
        object["notes"] = notes.iter().map(notes::Note::to_json).collect();
        return print_json([object]);
    }
    let mut table = Table::default();
    table.line(format!("{name}  {}", topic.types_text()), Paint::Plain);
    table.header(&["role", "node", "host", "pid", "program", "type", "schema", "qos", "endpoints"]);
    for (role, ends) in [("pub", &topic.publishers), ("sub", &topic.subscribers)] {
        for End { node, end } in ends {
            let ended = if end.ended { ", ended" } else { "" };
            table.row([
                role.to_owned(),
                safe(&node.name),
                safe(&node.host),
                node.pid.to_string(),
                safe(&node.program),
                if end.type_name.is_empty() { "-".to_owned() } else { safe(&end.type_name) },
                end.schema.as_ref().map_or_else(|| "-".to_owned(), short),
                format!("{}{ended}", safe(&end.qos)),
                safe(&end.endpoints.join(" ")),
            ]);
        }
    }
    print_table(run, &table)?;
    let coloured = coloured(run.global.color);
    print(notes.iter().flat_map(|note| {
        let paint = match note.weight {
            Weight::Hint => Paint::Faint,
            Weight::Warning => Paint::Careful,
            Weight::Trouble => Paint::Bad,
        };
        let first = format!("{}: {}", paint.on(note.weight.word(), coloured), note.text);
        std::iter::once(first).chain(note.details.iter().map(|detail| format!("  {}", safe(detail))))
    }))
}

/// Prints a topic's types, one a line.
pub(crate) fn print_type(run: &Run, args: &TopicArgs) -> Outcome {
    let survey = Survey::read(run, "type")?;
    let (name, topic) = survey.topic(&args.topic)?;
    if run.global.json {
        let schemas: Vec<String> = topic.schemas().iter().map(|(_, id)| id.to_string()).collect();
        return print_json([json!({ "topic": name, "types": topic.types(), "schemas": schemas })]);
    }
    let types = topic.types();
    if types.is_empty() { print([topic.types_text()]) } else { print(types.into_iter().map(safe)) }
}
