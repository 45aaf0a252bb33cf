//! What the command takes: a flag for each question, made from the table of questions.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use tamtam_ipc_bench::choose::{Needs, QUESTIONS, Question};

/// Options of `tamtam ipc choose`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChooseArgs {
    #[command(flatten)]
    pub(crate) given: Given,
    /// Rank by numbers of this machine that `tamtam ipc bench --json` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
    /// Measure those that the answers leave, for some seconds, and rank by that
    #[arg(long, conflicts_with = "bench")]
    pub(crate) measure: bool,
    /// Ask nothing: take the default for each question that no flag answers
    #[arg(long)]
    pub(crate) defaults: bool,
}

/// The answers that flags gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// With the defaults for the others.
    pub(crate) needs: Needs,
    /// The flags.
    pub(crate) flags: Vec<&'static str>,
}

impl Given {
    /// Reads an answer.
    pub(crate) fn give(&mut self, question: &'static Question, answer: &str) -> Result<(), String> {
        question.give(&mut self.needs, answer)?;
        if !self.has(question) {
            self.flags.push(question.flag);
        }
        Ok(())
    }

    /// Tells whether this question is answered.
    pub(crate) fn has(&self, question: &Question) -> bool {
        self.flags.contains(&question.flag)
    }

    /// Returns the questions that are still to be answered, given the answers so far.
    pub(crate) fn open(&self) -> impl Iterator<Item = &'static Question> {
        QUESTIONS.iter().filter(|question| !self.has(question) && (question.applies)(&self.needs))
    }

    /// Returns the question that is to be answered next.
    pub(crate) fn next(&self) -> Option<&'static Question> {
        self.open().next()
    }
}

impl FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for question in QUESTIONS {
            if let Some(answer) = matches.get_one::<String>(question.flag) {
                // The parsers below have accepted it already.
                self.give(question, answer).map_err(|why| {
                    Error::raw(ErrorKind::ValueValidation, format!("--{}: {why}\n", question.flag))
                })?;
            }
        }
        Ok(())
    }
}

impl Args for Given {
    fn augment_args(command: Command) -> Command {
        QUESTIONS.iter().fold(command, |command, question| command.arg(flag(question)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(question: &'static Question) -> Arg {
    let help = format!("{} [default: {}]", question.text, question.default());
    let offers = (question.offers)();
    let answers: Vec<String> = offers.iter().map(|(word, text)| format!("- {word}: {text}")).collect();
    let form = question.form.unwrap_or_default().to_owned();
    let parts = [help.clone(), question.why.to_owned(), form, answers.join("\n")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Arg::new(question.flag)
        .long(question.flag)
        .value_parser(parser(question))
        .value_name(value_name(question))
        .help(help)
        .long_help(parts.join("\n\n"))
        .hide_possible_values(true)
        .help_heading("Answers")
}

/// What stands for the value in the help: the words themselves, where one of them is the answer.
fn value_name(question: &Question) -> &'static str {
    static WORDS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
        let words = |question: &Question| {
            let offers = (question.offers)();
            offers.iter().map(|(word, _)| *word).collect::<Vec<_>>().join("|")
        };
        QUESTIONS.iter().map(|question| (question.flag, words(question))).collect()
    });
    let words = WORDS.iter().find(|(flag, _)| *flag == question.flag).map(|(_, words)| words.as_str());
    match (question.form, words) {
        (None, Some(words)) => words,
        (Some(_), Some(words)) if !words.is_empty() => "WORD,...",
        _ => "N",
    }
}

/// One of several words is shown and completed by clap; anything else the question reads itself.
fn parser(question: &'static Question) -> ValueParser {
    if question.form.is_some() {
        return ValueParser::new(move |answer: &str| {
            question.give(&mut Needs::default(), answer).map(|()| answer.to_owned())
        });
    }
    let words = (question.offers)().into_iter().map(|(word, text)| PossibleValue::new(word).help(text));
    PossibleValuesParser::new(words).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        choose: ChooseArgs,
    }

    fn given(line: &str) -> Result<Given, String> {
        let words = std::iter::once("choose").chain(line.split_ascii_whitespace());
        Line::try_parse_from(words).map(|line| line.choose.given).map_err(|error| error.to_string())
    }

    #[test]
    fn every_question_has_a_flag_that_takes_every_answer() {
        for question in QUESTIONS {
            let answers = (question.offers)().into_iter().map(|(word, _)| word.to_owned());
            for answer in answers.chain([question.default()]) {
                let given = given(&format!("--{} {answer}", question.flag)).expect("taken");
                assert_eq!(
                    (question.answer(&given.needs), given.flags.as_slice()),
                    (answer, &[question.flag][..])
                );
                assert!(given.open().all(|open| open.flag != question.flag));
            }
            let refused = given(&format!("--{} pigeon", question.flag)).expect_err("refused");
            assert!(refused.contains(question.flag) && refused.contains("pigeon"), "{refused}");
        }
    }

    #[test]
    fn nothing_given_is_the_default_and_all_is_open() {
        let given = given("").expect("nothing");
        assert_eq!((&given.needs, given.flags.len()), (&Needs::default(), 0));
        assert_eq!(given.open().count(), QUESTIONS.len());
        // What makes no sense is not asked.
        let same = self::given("--process same").expect("taken");
        assert!(same.open().all(|question| !["meet", "restarts", "isolation"].contains(&question.flag)));
    }
}
