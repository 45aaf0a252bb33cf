//! A choice as JSON: a promise, as all of the command's JSON.

use serde_json::{Map, Value, json};

use super::choice::{Choice, Excluded, Ranked};
use super::evidence::Evidence;
use super::question::QUESTIONS;

impl Choice {
    /// Writes the choice as one object: `needs` (an answer for each question's flag), `basis` (`measured`, and if so what is compared), `recommended` and
    /// `runner_up` (objects, or null), `others` (objects with `name` and `reason`), and `relaxations`, if nobody can do it.
    #[must_use]
    pub fn to_json(&self, evidence: Option<&Evidence>) -> Value {
        let needs: Map<String, Value> = QUESTIONS
            .iter()
            .map(|question| (question.flag.to_owned(), question.answer(&self.needs).into()))
            .collect();
        let basis = match evidence {
            None => json!({ "measured": false }),
            Some(evidence) => json!({
                "measured": true,
                "what": evidence.title(),
                "pattern": evidence.pattern,
                "size": evidence.size,
            }),
        };
        let behind = self.ranked.iter().skip(2).map(|one| json!({ "name": one.candidate.name, "possible": true, "reason": one.behind, "number": number(one) }));
        let others: Vec<Value> = behind.chain(self.excluded.iter().map(excluded)).collect();
        let relaxations: Vec<Value> = self
            .relaxations
            .iter()
            .map(|one| {
                let answers: Map<String, Value> =
                    one.answers.iter().map(|(flag, answer)| ((*flag).to_owned(), (*answer).into())).collect();
                json!({ "answers": answers, "recommended": one.candidate })
            })
            .collect();
        json!({
            "needs": needs,
            "basis": basis,
            "recommended": self.recommended().map(ranked),
            "runner_up": self.runner_up().map(ranked),
            "others": others,
            "relaxations": relaxations,
        })
    }
}

fn ranked(one: &Ranked) -> Value {
    let candidate = one.candidate;
    let mut object = json!({
        "name": candidate.name,
        "title": candidate.title(),
        "when": candidate.when(),
        "price": candidate.price,
        "left_to_do": one.left,
        "number": number(one),
        "next": candidate.next(),
        "code": candidate.program(),
    });
    if let (false, Some(object)) = (one.behind.is_empty(), object.as_object_mut()) {
        object.insert("reason".to_owned(), one.behind.clone().into());
    }
    object
}

fn number(one: &Ranked) -> Value {
    one.number.map_or(Value::Null, |number| json!({ "us": number.us, "waiting": number.waiting }))
}

fn excluded(one: &Excluded) -> Value {
    let reasons: Vec<Value> = one
        .reasons
        .iter()
        .map(|reason| json!({ "condition": reason.condition, "reason": reason.text }))
        .collect();
    let first = one.reasons.first().map(|reason| reason.text.as_str());
    json!({ "name": one.candidate.name, "possible": false, "reason": first, "reasons": reasons })
}
