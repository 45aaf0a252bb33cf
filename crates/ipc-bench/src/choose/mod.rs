//! Chooses a way to communicate: by rules that are a table, and by numbers of the machine at hand.
//!
//! ```
//! use tamtam_ipc_bench::choose::{Choice, Machine, Needs, Question};
//!
//! let mut needs = Needs::default(); // what nobody has answered otherwise
//! Question::of("readers").expect("a question").give(&mut needs, "each")?;
//! Question::of("reply").expect("a question").give(&mut needs, "no")?;
//!
//! let choice = Choice::of(&needs, &Machine::ordinary(), None); // no numbers: the facts decide
//! assert_eq!(choice.recommended().expect("somebody can").candidate.name, "tamtam-ipc");
//! let pipe = choice.excluded.iter().find(|one| one.candidate.name == "pipe").expect("it cannot");
//! println!("a pipe {}", pipe.reasons[0].text);
//! # Ok::<(), String>(())
//! ```
//!
//! The tables are [`QUESTIONS`], [`CONTRADICTIONS`], [`RULES`], [`BURDENS`], [`CANDIDATES`] and [`SCENARIOS`]; [`markdown`] makes `docs/ipc-choose.md`
//! of them.

mod amount;
mod candidate;
mod choice;
mod evidence;
mod json;
mod machine;
mod needs;
mod page;
mod question;
mod rules;
mod scenarios;
#[cfg(test)]
mod tests;

pub use candidate::{CANDIDATES, Candidate};
pub use choice::{AS_GOOD, CORE_SHARE, Choice, Excluded, Ranked, Reason, Relaxation, survivors};
pub use evidence::{BUSY, Evidence, Number};
pub use machine::Machine;
pub use needs::{
    Answer, Delivery, First, Hosts, Isolation, Language, Meet, Needs, Priority, Process, Readers, Reply,
    Restarts, Writers,
};
pub use page::markdown;
pub use question::{CONTRADICTIONS, Contradiction, QUESTIONS, Question};
pub use rules::{BURDENS, Burden, RULES, Rule};
pub use scenarios::{SCENARIOS, Scenario};
