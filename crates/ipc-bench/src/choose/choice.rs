//! The choice: who is left when the rules have spoken, who of them is the best, and why not the others.

use super::candidate::{CANDIDATES, Candidate};
use super::evidence::{BUSY, Evidence, Number};
use super::machine::Machine;
use super::needs::{Needs, Priority};
use super::question::{Contradiction, QUESTIONS, Question};
use super::rules::{BURDENS, RULES};

/// Numbers that lie within this share of the best one are as good: rounds of one measurement differ by as much.
pub const AS_GOOD: f64 = 0.2;
/// CPU time that differs by less than this share of a core, at the rate that is needed, is as good.
pub const CORE_SHARE: f64 = 0.01;

/// What came out.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What was needed.
    pub needs: Needs,
    /// Who can do it, the best first: the recommendation, the runner-up, the others.
    pub ranked: Vec<Ranked>,
    /// Who cannot, in the order of [`CANDIDATES`].
    pub excluded: Vec<Excluded>,
    /// If nobody can: which answers would have to be others, and who then would be recommended.
    pub relaxations: Vec<Relaxation>,
}

/// A candidate that can do what is needed.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Who.
    pub candidate: &'static Candidate,
    /// What is left to do.
    pub left: Vec<&'static str>,
    /// Its number, if something was measured.
    pub number: Option<Number>,
    /// Why it comes behind the first one, as a sentence without subject and full stop; empty for the first.
    pub behind: String,
}

/// A candidate that cannot.
#[derive(Clone, Debug)]
pub struct Excluded {
    /// Who.
    pub candidate: &'static Candidate,
    /// The conditions and reasons of all rules against it, the one to tell first. Sentences without subject and full stop.
    pub reasons: Vec<Reason>,
}

/// Why a candidate cannot do what is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The condition of the rule: "the programs run on several hosts".
    pub condition: String,
    /// What the candidate does: "does not leave the host".
    pub text: String,
}

/// Other answers with which somebody could: one, or two where no single one helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxation {
    /// The questions' flags, and the other answers.
    pub answers: Vec<(&'static str, &'static str)>,
    /// Who then would be recommended.
    pub candidate: &'static str,
}

impl Choice {
    /// Chooses. Without evidence the order is that of the facts: system calls, copies, and what is left to do.
    #[must_use]
    pub fn of(needs: &Needs, machine: &Machine, evidence: Option<&Evidence>) -> Self {
        let (left, excluded) = sort_out(needs, machine, evidence);
        let ranked = rank(left, needs, evidence);
        let relaxations = if ranked.is_empty() { relax(needs, machine, evidence) } else { Vec::new() };
        Self { needs: needs.clone(), ranked, excluded, relaxations }
    }

    /// Who is recommended.
    #[must_use]
    pub fn recommended(&self) -> Option<&Ranked> {
        self.ranked.first()
    }

    /// Who comes next.
    #[must_use]
    pub fn runner_up(&self) -> Option<&Ranked> {
        self.ranked.get(1)
    }
}

/// Who can do what is needed, as far as it is known without measuring: the names for [`Evidence`].
#[must_use]
pub fn survivors(needs: &Needs, machine: &Machine) -> Vec<&'static str> {
    sort_out(needs, machine, None).0.into_iter().map(|candidate| candidate.name).collect()
}

fn sort_out(
    needs: &Needs,
    machine: &Machine,
    evidence: Option<&Evidence>,
) -> (Vec<&'static Candidate>, Vec<Excluded>) {
    let (mut left, mut excluded) = (Vec::new(), Vec::new());
    for candidate in CANDIDATES {
        let reasons = reasons_against(candidate, needs, machine, evidence);
        if reasons.is_empty() {
            left.push(candidate);
        } else {
            excluded.push(Excluded { candidate, reasons });
        }
    }
    (left, excluded)
}

fn reasons_against(
    candidate: &'static Candidate,
    needs: &Needs,
    machine: &Machine,
    evidence: Option<&Evidence>,
) -> Vec<Reason> {
    let name = candidate.name;
    let rules = RULES.iter().filter(|rule| rule.excludes.contains(&name) && (rule.applies)(needs));
    let mut reasons: Vec<Reason> = rules
        .map(|rule| Reason { condition: rule.condition.to_owned(), text: rule.reason.to_owned() })
        .collect();
    let foreign = needs.languages.iter().find(|language| !candidate.languages.contains(language));
    if let Some(language) = foreign {
        use super::needs::Answer as _;
        let text = match language {
            super::needs::Language::Other => "is not to be had in every language".to_owned(),
            known => format!("is not for {}", known.text()),
        };
        reasons.push(Reason { condition: "languages".to_owned(), text });
    }
    if let Some(text) = machine.hinders(name, needs.size) {
        reasons.push(Reason { condition: "this machine".to_owned(), text });
    }
    let most = evidence.and_then(|evidence| evidence.most(name)).filter(|most| *most < needs.rate);
    if let Some(most) = most {
        let text = format!("did at most {most:.0} messages a second here, and {} are needed", needs.rate);
        reasons.push(Reason { condition: "the rate".to_owned(), text });
    }
    reasons
}

/// Takes the best of those that are left, again and again.
fn rank(left: Vec<&'static Candidate>, needs: &Needs, evidence: Option<&Evidence>) -> Vec<Ranked> {
    let mut waiting: Vec<Ranked> = left
        .into_iter()
        .map(|candidate| Ranked {
            candidate,
            left: left_to_do(candidate, needs),
            number: evidence.and_then(|evidence| evidence.number(candidate.name)),
            behind: String::new(),
        })
        .collect();
    let mut ranked: Vec<Ranked> = Vec::with_capacity(waiting.len());
    while let Some(best) = best_of(&waiting, needs) {
        let mut best = waiting.remove(best);
        if let Some(first) = ranked.first() {
            best.behind = behind(first, &best, needs, evidence);
        }
        ranked.push(best);
    }
    ranked
}

fn left_to_do(candidate: &'static Candidate, needs: &Needs) -> Vec<&'static str> {
    let burdens = BURDENS
        .iter()
        .filter(|burden| burden.candidates.contains(&candidate.name) && (burden.applies)(needs))
        .flat_map(|burden| burden.left);
    candidate.left.iter().chain(burdens).copied().collect()
}

/// The place of the best one.
fn best_of(waiting: &[Ranked], needs: &Needs) -> Option<usize> {
    let least = waiting.iter().filter_map(|one| one.number).map(|number| number.us).min_by(f64::total_cmp);
    // Who was not measured stands behind all who were.
    let candidates = waiting.iter().enumerate().filter(|(_, one)| match (least, one.number) {
        (None, _) => true,
        (Some(least), Some(number)) => is_as_good(number.us, least, needs),
        (Some(_), None) => false,
    });
    candidates.min_by_key(|(place, one)| (merit(one, needs, least.is_some()), *place)).map(|(place, _)| place)
}

fn is_as_good(us: f64, least: f64, needs: &Needs) -> bool {
    let share_of_a_core = (us - least) * needs.rate / 1e6;
    us <= least * (1.0 + AS_GOOD) || needs.priority == Priority::Cpu && share_of_a_core < CORE_SHARE
}

/// What decides among those that are as good: less is better.
fn merit(one: &Ranked, needs: &Needs, is_measured: bool) -> [usize; 3] {
    let left = one.left.len();
    let [calls, copies] = [one.candidate.system_calls(), one.candidate.copies()].map(usize::from);
    if !is_measured && calls_decide(needs) { [calls, copies, left] } else { [left, calls, copies] }
}

/// Whether, without numbers, system calls matter more than what is left to do.
fn calls_decide(needs: &Needs) -> bool {
    needs.priority == Priority::Latency || needs.rate >= BUSY
}

/// Why one comes behind the first.
fn behind(first: &Ranked, one: &Ranked, needs: &Needs, evidence: Option<&Evidence>) -> String {
    let name = first.candidate.name;
    if let Some(evidence) = evidence {
        match (first.number, one.number) {
            (Some(least), Some(number)) if !is_as_good(number.us, least.us, needs) => {
                let times = number.us / least.us;
                return format!("takes {:.1} µs, {times:.1} times as much as {name}", number.us);
            }
            (Some(_), None) => {
                let why = evidence.why_not(one.candidate.name).unwrap_or("it is not in the report");
                return format!("was not measured: {why}");
            }
            _ => {}
        }
    }
    let by_work = || {
        (one.left.len() > first.left.len())
            .then(|| format!("leaves more to do than {name}: {}", one.left.join(", ")))
    };
    let by_calls = || {
        let (more, less) = (one.candidate.system_calls(), first.candidate.system_calls());
        (more > less).then(|| format!("takes {more} system calls a message, {name} {less}"))
    };
    let by_copies = || {
        let (more, less) = (one.candidate.copies(), first.candidate.copies());
        (more > less).then(|| format!("copies a message {more} times, {name} {less} times"))
    };
    let reason = if evidence.is_none() && calls_decide(needs) {
        by_calls().or_else(by_copies).or_else(by_work)
    } else {
        by_work().or_else(by_calls).or_else(by_copies)
    };
    reason.unwrap_or_else(|| format!("does as well as {name}, and is no better in anything"))
}

/// Tries every other answer to every question, and if none helps, every two.
fn relax(needs: &Needs, machine: &Machine, evidence: Option<&Evidence>) -> Vec<Relaxation> {
    let others = other_answers(needs);
    let try_out = |answers: Vec<(&'static Question, &'static str)>| -> Option<Relaxation> {
        let mut other = needs.clone();
        for (question, answer) in &answers {
            question.give(&mut other, answer).ok()?;
        }
        if Contradiction::find(&other).is_some() {
            return None;
        }
        let (left, _) = sort_out(&other, machine, evidence);
        let candidate = rank(left, &other, evidence).first()?.candidate.name;
        let answers = answers.into_iter().map(|(question, answer)| (question.flag, answer)).collect();
        Some(Relaxation { answers, candidate })
    };
    let single: Vec<Relaxation> = others.iter().filter_map(|one| try_out(vec![*one])).collect();
    if !single.is_empty() {
        return single;
    }
    let pairs = others.iter().enumerate().flat_map(|(index, one)| {
        let behind = others.iter().skip(index + 1).filter(|two| two.0.flag != one.0.flag);
        behind.map(|two| vec![*one, *two])
    });
    pairs.filter_map(try_out).collect()
}

fn other_answers(needs: &Needs) -> Vec<(&'static Question, &'static str)> {
    let all = QUESTIONS
        .iter()
        .flat_map(|question| (question.offers)().into_iter().map(move |(answer, _)| (question, answer)));
    all.filter(|(question, answer)| question.answer(needs) != *answer).collect()
}
