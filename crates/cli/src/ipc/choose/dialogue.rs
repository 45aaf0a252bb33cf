//! The questions on a terminal.

use std::io::{self, Write};

use tamtam_ipc_bench::choose::{Contradiction, Question};

use super::args::Given;
use crate::exit::{Failure, Outcome};

/// Asks all questions that are open, and adds the answers to what is given. `read_line` returns the next line, `None` at the end of the input.
pub(super) fn ask(
    given: &mut Given,
    read_line: &mut dyn FnMut() -> Outcome<Option<Vec<u8>>>,
    write: &mut dyn Write,
) -> Outcome {
    say(write, "Some questions. Enter takes the answer in brackets, ? tells why it is asked.\n")?;
    // Each answer may make others needless.
    while let Some(question) = given.next() {
        ask_one(question, given, read_line, write)?;
    }
    say(write, "")
}

fn ask_one(
    question: &'static Question,
    given: &mut Given,
    read_line: &mut dyn FnMut() -> Outcome<Option<Vec<u8>>>,
    write: &mut dyn Write,
) -> Outcome {
    let offers = (question.offers)();
    let width = offers.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    say(write, question.text)?;
    for (number, (word, text)) in (1..).zip(&offers) {
        say(write, &format!("  {number}  {word:width$}  {text}"))?;
    }
    if let Some(form) = question.form {
        say(write, &format!("  {form}"))?;
    }
    loop {
        prompt(write, &question.default())?;
        let Some(line) = read_line()? else {
            say(write, "")?;
            let open: Vec<_> = given.open().map(|question| format!("--{}", question.flag)).collect();
            return Err(Failure::usage(format!(
                "the input ended before all was answered ({}); --defaults takes the defaults",
                open.join(", ")
            )));
        };
        let line = String::from_utf8_lossy(&line);
        let answer = match line.trim() {
            "" => question.default(),
            "?" => {
                say(write, &format!("  {}", question.why))?;
                continue;
            }
            typed => by_number(typed, &offers).unwrap_or(typed).to_owned(),
        };
        match try_answer(question, given, &answer) {
            Ok(()) => return Ok(()),
            Err(why) => say(write, &format!("  {}", crate::output::harmless(&why)))?,
        }
    }
}

/// A number stands for the offer in that place, where answers are no numbers themselves.
fn by_number<'a>(typed: &str, offers: &[(&'a str, &'a str)]) -> Option<&'a str> {
    let place = typed.parse::<usize>().ok()?.checked_sub(1)?;
    offers.get(place).map(|(word, _)| *word)
}

fn try_answer(question: &'static Question, given: &mut Given, answer: &str) -> Result<(), String> {
    let mut with = given.clone();
    with.give(question, answer)?;
    if let Some(contradiction) = Contradiction::find(&with.needs) {
        return Err(contradiction.describe(&with.needs));
    }
    *given = with;
    Ok(())
}

fn say(write: &mut dyn Write, line: &str) -> Outcome {
    writeln!(write, "{line}").map_err(|error| failed(&error))
}

fn prompt(write: &mut dyn Write, default: &str) -> Outcome {
    write!(write, "[{default}] > ").and_then(|()| write.flush()).map_err(|error| failed(&error))
}

fn failed(error: &io::Error) -> Failure {
    Failure::failed(format!("cannot ask: {error}"))
}

#[cfg(test)]
mod tests {
    use tamtam_ipc_bench::choose::{Needs, QUESTIONS};

    use super::*;
    use crate::exit::Exit;

    /// Asks with these lines typed; returns what was given, and what was shown.
    fn typed(given: &mut Given, lines: &str) -> (Outcome, String) {
        let mut lines = lines.lines();
        let mut shown = Vec::new();
        let outcome = ask(given, &mut || Ok(lines.next().map(|line| line.as_bytes().to_vec())), &mut shown);
        assert!(outcome.is_err() || lines.next().is_none(), "more was typed than asked");
        (outcome, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn enter_takes_every_default() {
        let mut given = Given::default();
        let (outcome, shown) = typed(&mut given, &"\n".repeat(QUESTIONS.len()));
        assert_eq!(outcome, Ok(()));
        assert_eq!((&given.needs, given.flags.len()), (&Needs::default(), QUESTIONS.len()));
        for question in QUESTIONS {
            let asked =
                shown.split(question.text).nth(1).unwrap_or_else(|| panic!("{}: {shown}", question.flag));
            assert!(asked.contains(&format!("[{}] > ", question.default())), "{}", question.flag);
            for (word, text) in (question.offers)() {
                assert!(asked.contains(word) && asked.contains(text), "{}: {word}", question.flag);
            }
        }
    }

    #[test]
    fn every_question_is_explained() {
        let mut given = Given::default();
        let (outcome, shown) = typed(&mut given, &"?\n\n".repeat(QUESTIONS.len()));
        assert_eq!(outcome, Ok(()));
        assert!(QUESTIONS.iter().all(|question| shown.contains(question.why)), "{shown}");
    }

    #[test]
    fn words_numbers_and_values_are_taken_and_wrong_ones_asked_again() {
        let mut given = Given::default();
        // One host, threads; then writers, readers, reply, size, rate, delivery, first, languages, priority.
        let lines = "three\none\n2\nmany\n2\nno\na lot\n4kB\n\x1b[31m\n20kHz\n\n\nrust,c\nlatency\n";
        let (outcome, shown) = typed(&mut given, lines);
        assert_eq!(outcome, Ok(()), "{shown}");
        assert_eq!(
            given.needs.to_string(),
            "--hosts one --process same --meet address --writers many --readers each --reply no --size 4kB --rate 20000/s --delivery every \
             --first oldest --languages rust,c --restarts no --isolation none --priority latency"
        );
        assert!(shown.contains("\"three\" is none of one, many") && shown.contains("unknown unit"));
        assert!(!shown.contains('\x1b'), "{shown:?}");
        assert!(!shown.contains("containers"), "what makes no sense was asked");
    }

    #[test]
    fn contradictions_are_told_at_once_and_asked_again() {
        let mut given = Given::default();
        let needed =
            ["hosts", "process", "writers", "readers", "reply", "size", "rate", "delivery", "languages"];
        for question in QUESTIONS.iter().filter(|question| needed.contains(&question.flag)) {
            given.give(question, &question.default()).unwrap();
        }
        let (outcome, shown) = typed(&mut given, "pid\n\n\ncontainers\nusers\n\n");
        assert_eq!(outcome, Ok(()));
        assert!(shown.contains("--meet pid and --isolation containers: in another container"), "{shown}");
    }

    #[test]
    fn an_early_end_names_what_is_open() {
        let mut given = Given::default();
        let (outcome, _) = typed(&mut given, "one\n");
        let failure = outcome.expect_err("an early end");
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure.text.contains("--process, --meet") && failure.text.contains("--defaults"),
            "{failure:?}"
        );
    }
}
