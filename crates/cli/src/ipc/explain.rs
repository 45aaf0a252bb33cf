//! `tamtam ipc explain`: what is to know about a mechanism, here and now.

use serde_json::{Map, Value, json};
use tamtam_ipc::table::{LONG, SHORT, plain};
use tamtam_ipc::{Limit, Mechanism, Unavailable};

use crate::exit::{Failure, Outcome};
use crate::look::{print, print_json, print_table};
use crate::run::Run;
use crate::table::{Paint, Table};

/// Letters of a line.
const WIDTH: usize = 110;
/// How many of the long columns are advice: when, when not, pitfalls.
const ADVICE: usize = 3;

/// Lists all mechanisms.
pub(super) fn all(run: &Run) -> Outcome {
    let all = tamtam_ipc::all();
    if run.global.json {
        return print_json(all.iter().map(|mechanism| object(*mechanism)));
    }
    let mut table = Table::default();
    table.header(&["mechanism", "family", "reaches", "nobody receives", "here", "when"]);
    for mechanism in all {
        let facts = mechanism.facts();
        let (here, paint) = match mechanism.probe() {
            Ok(_) => ("yes", Paint::Good),
            Err(_) => ("no", Paint::Bad),
        };
        table.painted([
            (facts.name, Paint::Plain),
            (facts.family.text(), Paint::Plain),
            (facts.reach.text(), Paint::Plain),
            (facts.delivery.text(), Paint::Plain),
            (here, paint),
            (facts.when, Paint::Faint),
        ]);
    }
    print_table(run, &table)?;
    run.tell("`tamtam ipc explain NAME` has the rest");
    Ok(())
}

/// Explains one mechanism.
pub(super) fn one(run: &Run, name: &str) -> Outcome {
    let Some(mechanism) = tamtam_ipc::by_name(name) else {
        let names: Vec<_> = tamtam_ipc::all().iter().map(|known| known.facts().name).collect();
        return Err(Failure::not_found(format!("no mechanism {name:?}; there are {}", names.join(", "))));
    };
    if run.global.json {
        return print_json([object(mechanism)]);
    }
    let facts = mechanism.facts();
    print([format!("{} ({})", facts.title, facts.name), String::new()])?;
    // What decides about it comes first. Its name has been said.
    let (advice, details) = LONG.split_at(LONG.len().min(ADVICE));
    print(plain(facts, advice, WIDTH).lines())?;
    print([""])?;
    print(plain(facts, SHORT.iter().skip(1).chain(details), WIDTH).lines())?;
    match mechanism.probe() {
        Ok(limits) => {
            print(["", "On this machine it can be used:"])?;
            let longest =
                Limit::new("octets of a message in a link", mechanism.message_max() as u64, "this crate");
            print(limits.iter().chain([&longest]).map(|limit| format!("  {limit}")))?;
        }
        Err(unavailable) => print(["", &format!("On this machine {unavailable}")])?,
    }
    print(["", "A program (it stands in crates/ipc/programs, and the tests run it):", ""])?;
    print(facts.program.lines())
}

fn object(mechanism: &dyn Mechanism) -> Value {
    let facts = mechanism.facts();
    let mut object = Map::new();
    object.insert("title".into(), facts.title.into());
    for column in SHORT.iter().chain(LONG) {
        // What happens when the other end dies is told twice, in a word and in sentences.
        let key = column.title.replace([' ', '-'], "_");
        let key = if object.contains_key(&key) { format!("{key}_in_detail") } else { key };
        object.insert(key, (column.value)(facts).into());
    }
    let here = match mechanism.probe() {
        Ok(limits) => json!({
            "available": true,
            "message_max": mechanism.message_max(),
            "limits": limits.iter().map(|Limit { what, value, source }| json!({"what": what, "value": value, "source": source})).collect::<Vec<_>>(),
        }),
        Err(unavailable) => json!({"available": false, "reason": Unavailable::to_string(&unavailable)}),
    };
    object.insert("here".into(), here);
    object.insert("code".into(), facts.program.into());
    object.into()
}
