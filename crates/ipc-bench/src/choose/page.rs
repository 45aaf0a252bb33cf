//! `docs/ipc-choose.md`: what the code decides by, in tables.

use std::fmt::Write as _;

use super::choice::{AS_GOOD, CORE_SHARE};
use super::evidence::BUSY;
use super::{BURDENS, CANDIDATES, CONTRADICTIONS, QUESTIONS, RULES, SCENARIOS};

/// Writes the page.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    questions(&mut page);
    rules(&mut page);
    ranking(&mut page);
    candidates(&mut page);
    scenarios(&mut page);
    page
}

const INTRODUCTION: &str = "\
# How `tamtam ipc choose` chooses

What the code decides by: made from the tables of `crates/ipc-bench/src/choose` by
`TAMTAM_IPC_WRITE=1 cargo test -p tamtam-ipc-bench --test choose`.

The candidates are the mechanisms of the operating system ([a page of their own](ipc-mechanisms.md)), Tamtam's sockets over three
transports, and its topics. The answers to the questions exclude some of them by rules; numbers rank the others: those of this machine, saved by
`tamtam ipc bench --json` and given as `--bench FILE`, or measured for the occasion by `--measure`. Without either the order is that of what is known of
each.

";

fn questions(page: &mut String) {
    page.push_str(
        "## The questions\n\n| flag | question | answers | why it matters |\n| --- | --- | --- | --- |\n",
    );
    for question in QUESTIONS {
        let default = question.default();
        let mut answers: Vec<String> = (question.offers)()
            .iter()
            .map(|(word, text)| {
                let mark = if *word == default { " (default)" } else { "" };
                format!("`{word}`{mark}: {text}")
            })
            .collect();
        if let Some(form) = question.form {
            let default = if answers.is_empty() { format!("; default {default}") } else { String::new() };
            answers.insert(0, format!("{form}{default}"));
        }
        row(
            page,
            &[
                format!("`--{}`", question.flag),
                question.text.to_owned(),
                answers.join("<br>"),
                question.why.to_owned(),
            ],
        );
    }
    page.push_str("\nSome answers contradict each other, and are refused:\n\n");
    for contradiction in CONTRADICTIONS {
        let flags: Vec<_> = contradiction.flags.iter().map(|flag| format!("`--{flag}`")).collect();
        let _ = writeln!(page, "- {}: {}", flags.join(" and "), contradiction.reason);
    }
}

fn rules(page: &mut String) {
    page.push_str(
        "\n## The rules\n\nEach row excludes candidates under its condition, whatever the numbers say. The first row that excludes one is the reason that \
         is told; `--json` has all of them. Beside these rows a candidate is out that cannot be used on this machine (`tamtam ipc explain` says why), that is not \
         for one of the languages, whose messages are shorter here than what is needed, or that did not do as many messages a second in a measurement.\n\n\
         | if | these are out | because each of them |\n| --- | --- | --- |\n",
    );
    for rule in RULES {
        row(page, &[rule.condition.to_owned(), rule.excludes.join(", "), rule.reason.to_owned()]);
    }
}

fn ranking(page: &mut String) {
    let _ = write!(
        page,
        "\n## The order of those that are left\n\n\
         With numbers: CPU time per message, both sides together, or with `--priority latency` the median time of a message, of the measured size nearest to the \
         one needed. Who lies within {:.0} % of the best is as good, and with `--priority cpu` also who takes less than {:.0} % of a core more at the rate that is \
         needed. Of those that are as good the one is recommended that leaves least to do; then the one with fewer system calls, then with fewer copies.\n\n\
         Without numbers: what is left to do, then system calls, then copies. With `--priority latency`, and from {BUSY} messages a second on, it \
         is system calls, then copies, then what is left to do.\n\n\
         | if | more is left to do with | namely |\n| --- | --- | --- |\n",
        AS_GOOD * 100.0,
        CORE_SHARE * 100.0,
    );
    for burden in BURDENS {
        row(page, &[burden.condition.to_owned(), burden.candidates.join(", "), burden.left.join("; ")]);
    }
}

fn candidates(page: &mut String) {
    page.push_str(
        "\n## The candidates\n\n| candidate | what is left to do | system calls | copies | what a recommendation costs |\n| --- | --- | --- | --- | --- |\n",
    );
    for candidate in CANDIDATES {
        let left = if candidate.left.is_empty() { "nothing".to_owned() } else { candidate.left.join("; ") };
        row(
            page,
            &[
                format!("{}: {}", candidate.name, candidate.title()),
                left,
                candidate.system_calls().to_string(),
                candidate.copies().to_string(),
                candidate.price.to_owned(),
            ],
        );
    }
}

fn scenarios(page: &mut String) {
    page.push_str(
        "\n## Scenarios\n\nWhat is recommended to whom, on a Linux with its usual limits, without numbers. The tests hold the code to it. Answers that are not \
         mentioned are the defaults.\n\n| what is needed | answers | recommended |\n| --- | --- | --- |\n",
    );
    for scenario in SCENARIOS {
        let flags =
            if scenario.flags.is_empty() { "none".to_owned() } else { format!("`{}`", scenario.flags) };
        row(page, &[scenario.text.to_owned(), flags, scenario.recommended.to_owned()]);
    }
}

fn row(page: &mut String, cells: &[String]) {
    for cell in cells {
        let _ = write!(page, "| {} ", cell.replace('|', "\\|"));
    }
    page.push_str("|\n");
}
