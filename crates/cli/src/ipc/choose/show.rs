//! The choice as text.

use tamtam_ipc_bench::choose::{Choice, Evidence, Ranked};

use crate::exit::Outcome;
use crate::look::print;

/// Letters of a line.
const WIDTH: usize = 110;
/// Where values begin.
const MARGIN: usize = 20;

/// Prints it. `source` tells where the numbers are from.
pub(super) fn text(choice: &Choice, evidence: Option<(&Evidence, &str)>) -> Outcome {
    let mut lines = Vec::new();
    match choice.recommended() {
        Some(recommended) => {
            recommendation(&mut lines, recommended);
            if let Some(runner_up) = choice.runner_up() {
                lines.push(String::new());
                second(&mut lines, runner_up);
            }
        }
        None => nobody(&mut lines, choice),
    }
    others(&mut lines, choice);
    lines.push(String::new());
    basis(&mut lines, evidence);
    if let Some(recommended) = choice.recommended() {
        next(&mut lines, recommended);
    }
    print(lines)
}

fn recommendation(lines: &mut Vec<String>, one: &Ranked) {
    lines.push(format!("Take {}: {}", one.candidate.name, one.candidate.title()));
    lines.push(String::new());
    entry(lines, "it is for", one.candidate.when());
    entry(lines, "its price", one.candidate.price);
    let left = if one.left.is_empty() { "nothing".to_owned() } else { one.left.join("; ") };
    entry(lines, "left to you", &left);
    number(lines, one);
}

fn second(lines: &mut Vec<String>, one: &Ranked) {
    lines.push(format!("Or {}: {}", one.candidate.name, one.candidate.title()));
    lines.push(String::new());
    entry(lines, "it is for", one.candidate.when());
    entry(lines, "its price", one.candidate.price);
    entry(lines, "why it is second", &format!("it {}", one.behind));
    number(lines, one);
}

fn number(lines: &mut Vec<String>, one: &Ranked) {
    if let Some(number) = one.number {
        entry(lines, "measured", &format!("{:.1} µs ({})", number.us, number.waiting.title()));
    }
}

fn nobody(lines: &mut Vec<String>, choice: &Choice) {
    lines.push("Nothing here does all of that. It would be possible with".to_owned());
    lines.push(String::new());
    /// More of them do not help.
    const SHOWN: usize = 12;
    for one in choice.relaxations.iter().take(SHOWN) {
        let answers: Vec<_> = one.answers.iter().map(|(flag, answer)| format!("--{flag} {answer}")).collect();
        lines.push(format!("  {}: {}", answers.join(" and "), one.candidate));
    }
    if choice.relaxations.is_empty() {
        lines.push("  more than two other answers".to_owned());
    }
}

fn others(lines: &mut Vec<String>, choice: &Choice) {
    lines.push(String::new());
    lines.push(if choice.ranked.is_empty() { "Why not" } else { "Why not the others" }.to_owned());
    lines.push(String::new());
    for one in choice.ranked.iter().skip(2) {
        entry(lines, one.candidate.name, &format!("possible, but {}", one.behind));
    }
    for one in &choice.excluded {
        if let Some(reason) = one.reasons.first() {
            entry(lines, one.candidate.name, &reason.text);
        }
    }
}

fn basis(lines: &mut Vec<String>, evidence: Option<(&Evidence, &str)>) {
    match evidence {
        Some((evidence, source)) => {
            entry(lines, "ranked by", &evidence.title());
            entry(lines, "numbers", source);
        }
        None => entry(
            lines,
            "ranked by",
            "what is known of each: what is left to do, system calls, copies. Nothing was measured: --measure does it now, --bench FILE takes what was measured before",
        ),
    }
}

fn next(lines: &mut Vec<String>, one: &Ranked) {
    for (index, command) in one.candidate.next().iter().enumerate() {
        entry(lines, if index == 0 { "how to go on" } else { "" }, command);
    }
    lines.push(String::new());
    lines.extend(one.candidate.program().lines().map(str::to_owned));
}

/// Adds a title and its text, wrapped beside it.
fn entry(lines: &mut Vec<String>, title: &str, text: &str) {
    const TITLE: usize = MARGIN - 2;
    let mut line = format!("  {title:TITLE$}");
    if title.chars().count() >= TITLE {
        line.push(' ');
    }
    let mut begins = true;
    for word in text.split_ascii_whitespace() {
        if !begins && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(MARGIN)));
            begins = true;
        }
        if !begins {
            line.push(' ');
        }
        line.push_str(word);
        begins = false;
    }
    lines.push(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_wrapped_beside_their_title() {
        let mut lines = Vec::new();
        entry(&mut lines, "its price", &"word ".repeat(60));
        assert!(lines.len() > 1 && lines[0].starts_with("  its price         word word"), "{lines:#?}");
        assert!(lines[1].starts_with(&format!("{}word", " ".repeat(MARGIN))), "{lines:#?}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH && !line.ends_with(' ')), "{lines:#?}");
        assert_eq!(lines.join(" ").split_ascii_whitespace().count(), 62);
        entry(&mut lines, "a title that is very long", "text");
        assert_eq!(lines.last().unwrap(), "  a title that is very long text");
    }
}
