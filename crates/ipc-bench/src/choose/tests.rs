//! What holds for whatever somebody answers.

use super::*;
use crate::report::{Cell, Figure, Key, Latency, Pattern, Report, Unavailable, Waiting};

/// The default and what people often need instead, all answers that differ from these in one question, and in two.
pub(super) fn many_needs() -> Vec<Needs> {
    let answers: Vec<(&Question, &str)> = QUESTIONS
        .iter()
        .flat_map(|question| {
            let values: &[&str] = match question.flag {
                "size" => &["0", "4", "64", "4kB", "1MB", "100MB"],
                "rate" => &["1", "1000", "200kHz"],
                _ => &[],
            };
            let words = (question.offers)().into_iter().map(|(word, _)| word);
            words.chain(values.iter().copied()).map(move |answer| (question, answer))
        })
        .collect();
    let one_way = Needs { reply: Reply::No, ..Needs::default() };
    let fan_in = Needs { writers: Writers::Many, ..one_way.clone() };
    let mut all = Vec::new();
    for base in [Needs::default(), one_way, fan_in] {
        for (index, (first, answer)) in answers.iter().enumerate() {
            let mut one = base.clone();
            first.give(&mut one, answer).expect("an answer");
            for (second, other) in &answers[..index] {
                let mut two = one.clone();
                second.give(&mut two, other).expect("an answer");
                all.push(two);
            }
            all.push(one);
        }
        all.push(base);
    }
    all.retain(|needs| Contradiction::find(needs).is_none());
    all
}

#[test]
fn there_is_always_one_answer_or_a_way_out() {
    let machine = Machine::ordinary();
    for needs in many_needs() {
        let choice = Choice::of(&needs, &machine, None);
        assert_eq!(choice.ranked.len() + choice.excluded.len(), CANDIDATES.len(), "{needs}");
        assert_eq!(choice.ranked.is_empty(), choice.recommended().is_none());
        if choice.ranked.is_empty() {
            assert!(!choice.relaxations.is_empty(), "no way out: {needs}");
        } else {
            assert!(choice.relaxations.is_empty() && choice.ranked[0].behind.is_empty(), "{needs}");
        }
    }
}

#[test]
fn each_rule_excludes_whom_it_names_whenever_it_applies() {
    let (machine, all) = (Machine::ordinary(), many_needs());
    for rule in RULES {
        for needs in all.iter().filter(|needs| (rule.applies)(needs)) {
            let choice = Choice::of(needs, &machine, None);
            for name in rule.excludes {
                let excluded = choice.excluded.iter().find(|one| one.candidate.name == *name);
                let excluded =
                    excluded.unwrap_or_else(|| panic!("{name} in spite of {}: {needs}", rule.condition));
                assert!(excluded.reasons.iter().any(|reason| reason.text == rule.reason), "{name}: {needs}");
            }
        }
    }
}

#[test]
fn each_rule_decides_something_alone() {
    // A row that never is the only one against somebody could as well be left out.
    let (machine, all) = (Machine::ordinary(), many_needs());
    for rule in RULES {
        let decides = all.iter().filter(|needs| (rule.applies)(needs)).any(|needs| {
            let choice = Choice::of(needs, &machine, None);
            choice.excluded.iter().any(|one| {
                let by_rules = |reason: &&Reason| RULES.iter().any(|row| row.reason == reason.text);
                let mut reasons = one.reasons.iter().filter(by_rules);
                reasons.next().is_some_and(|reason| reason.text == rule.reason) && reasons.next().is_none()
            })
        });
        assert!(decides, "{}: {}", rule.condition, rule.reason);
    }
}

#[test]
fn what_is_chosen_depends_on_the_machine() {
    let mut machine = Machine::ordinary();
    assert_eq!(survivors(&Needs::default(), &machine)[0], "unix-stream");
    machine.set("unix-seqpacket", Err("a sandbox hides it".to_owned()));
    let choice = Choice::of(&Needs::default(), &machine, None);
    assert_eq!(choice.recommended().unwrap().candidate.name, "unix-stream");
    let seqpacket = choice.excluded.iter().find(|one| one.candidate.name == "unix-seqpacket").unwrap();
    assert_eq!(seqpacket.reasons[0].text, "cannot be used here: a sandbox hides it");
    let long = Needs { size: 1 << 20, ..Needs::default() };
    let choice = Choice::of(&long, &Machine::ordinary(), None);
    assert!(
        choice.excluded.iter().any(|one| one.reasons.iter().any(|reason| reason.text.contains("1048576")))
    );
}

fn cell(name: &str, pattern: Pattern, size: u64, us: f64) -> Cell {
    let figure = |value: f64| Figure { value, low: value, high: value };
    let mut cell = Cell::new(Key::new(name, Waiting::Block, pattern, size, 1));
    cell.sender_cpu_us = Some(figure(us / 2.0));
    cell.receiver_cpu_us = Some(figure(us / 2.0));
    if pattern == Pattern::Throughput {
        cell.messages_per_s = Some(figure(1e6 / us));
    } else {
        let ns = figure(us * 1e3);
        cell.latency =
            Some(Latency { p50: ns, p90: None, p99: None, p999: None, max: ns, samples: 1, curve: vec![] });
    }
    cell
}

fn report(cells: Vec<Cell>) -> Report {
    Report { cells, ..Report::default() }
}

#[test]
fn numbers_decide_among_those_that_are_left() {
    let mut needs = Needs { priority: Priority::Latency, ..Needs::default() };
    let report = report(vec![
        cell("shm-ring", Pattern::RoundTrip, 1000, 30.0),
        cell("unix-stream", Pattern::RoundTrip, 1000, 9.0),
        cell("unix-seqpacket", Pattern::RoundTrip, 1000, 10.0),
        cell("tamtam-ipc", Pattern::RoundTrip, 1000, 18.0),
        cell("channel", Pattern::RoundTrip, 1000, 1.0),
        cell("tcp", Pattern::RoundTrip, 64, 1.0),
    ]);
    let evidence = Evidence::of(&report, &needs).expect("numbers");
    let choice = Choice::of(&needs, &Machine::ordinary(), Some(&evidence));
    let names: Vec<_> = choice.ranked.iter().map(|one| one.candidate.name).collect();
    // Within 20 % the one that leaves less to do comes first; who was not measured with this size comes last.
    assert_eq!(names[..4], ["unix-seqpacket", "unix-stream", "tamtam-ipc", "shm-ring"]);
    assert!(
        choice.ranked[1].behind.starts_with("leaves more to do than unix-seqpacket"),
        "{}",
        choice.ranked[1].behind
    );
    assert_eq!(choice.ranked[2].behind, "takes 18.0 µs, 1.8 times as much as unix-seqpacket");
    assert!(choice.ranked[4..].iter().all(|one| one.behind.starts_with("was not measured: ")));
    assert_eq!(evidence.number("tcp"), None, "another size");

    // With CPU time, what is no hundredth of a core does not matter.
    needs.priority = Priority::Cpu;
    let evidence = Evidence::of(&report, &needs).expect("numbers");
    for (rate, recommended) in [(10.0, "unix-seqpacket"), (40_000.0, "unix-seqpacket")] {
        needs.rate = rate;
        let choice = Choice::of(&needs, &Machine::ordinary(), Some(&evidence));
        assert_eq!(choice.recommended().unwrap().candidate.name, recommended, "{rate}");
        let ipc = choice.ranked.iter().find(|one| one.candidate.name == "tamtam-ipc").unwrap();
        assert_eq!(ipc.behind.contains("18.0 µs"), rate > 1000.0, "{rate}: {}", ipc.behind);
    }
}

#[test]
fn the_pattern_and_size_that_fit_are_compared() {
    let cells = vec![
        cell("pipe", Pattern::RoundTrip, 64, 1.0),
        cell("pipe", Pattern::OneWay, 64, 2.0),
        cell("pipe", Pattern::OneWay, 4096, 3.0),
        cell("pipe", Pattern::Throughput, 64, 0.5),
        cell("pipe", Pattern::Throughput, 4096, 0.8),
    ];
    let report = report(cells);
    let of = |needs: &Needs| {
        let evidence = Evidence::of(&report, needs).expect("numbers");
        (evidence.pattern, evidence.size, evidence.number("pipe").expect("a number").us)
    };
    let mut needs = Needs { size: 100, ..Needs::default() };
    assert_eq!(of(&needs), (Pattern::RoundTrip, 64, 1.0));
    needs.reply = Reply::No;
    assert_eq!(of(&needs), (Pattern::OneWay, 64, 2.0));
    needs.size = 3000;
    assert_eq!(of(&needs), (Pattern::OneWay, 4096, 3.0));
    needs.rate = 100_000.0;
    assert_eq!(of(&needs), (Pattern::Throughput, 4096, 0.8));
    needs.priority = Priority::Latency;
    assert_eq!(of(&needs), (Pattern::OneWay, 4096, 3.0));
    // Longer messages than were measured with, and none at all.
    needs.size = 0;
    assert_eq!(of(&needs).1, 64);
    assert_eq!(Evidence::of(&Report::default(), &needs), None);
    assert_eq!(Evidence::wants(&needs), [Pattern::Throughput, Pattern::OneWay]);
    let busy = Needs { rate: BUSY, ..Needs::default() };
    assert_eq!(Evidence::wants(&busy), [Pattern::Throughput]);
    let fan_out = Needs { readers: Readers::Each, ..Needs::default() };
    assert_eq!(Evidence::wants(&fan_out), [Pattern::Throughput, Pattern::FanOut]);
}

#[test]
fn who_cannot_do_the_rate_is_out() {
    let report = report(vec![
        cell("pipe", Pattern::Throughput, 64, 20.0),
        cell("shm-ring", Pattern::Throughput, 64, 0.2),
        cell("unix-seqpacket", Pattern::Throughput, 64, 5.0),
        cell("fifo", Pattern::Throughput, 4096, 1000.0),
    ]);
    let needs = Needs { size: 64, rate: 60_000.0, reply: Reply::No, meet: Meet::Child, ..Needs::default() };
    let evidence = Evidence::of(&report, &needs).expect("numbers");
    let choice = Choice::of(&needs, &Machine::ordinary(), Some(&evidence));
    assert_eq!(choice.recommended().unwrap().candidate.name, "shm-ring");
    let pipe = choice.excluded.iter().find(|one| one.candidate.name == "pipe").expect("out");
    assert_eq!(pipe.reasons[0].text, "did at most 50000 messages a second here, and 60000 are needed");
    assert_eq!(evidence.most("fifo"), None, "with longer messages than needed nothing is said");
}

#[test]
fn why_somebody_was_not_measured_is_told() {
    let mut report = report(vec![cell("unix-stream", Pattern::RoundTrip, 64, 9.0)]);
    report.unavailable.push(Unavailable { name: "unix-seqpacket".into(), reason: "no room".into() });
    let needs = Needs::default();
    let evidence = Evidence::of(&report, &needs).expect("numbers");
    let choice = Choice::of(&needs, &Machine::ordinary(), Some(&evidence));
    assert_eq!(choice.recommended().unwrap().candidate.name, "unix-stream");
    let seqpacket = choice.ranked.iter().find(|one| one.candidate.name == "unix-seqpacket").unwrap();
    assert_eq!(seqpacket.behind, "was not measured: no room");
}

#[test]
fn impossible_needs_are_told_what_would_help() {
    let needs = Needs { reply: Reply::No, restarts: Restarts::Kept, hosts: Hosts::Many, ..Needs::default() };
    let choice = Choice::of(&needs, &Machine::ordinary(), None);
    assert!(choice.recommended().is_none() && choice.runner_up().is_none());
    let helps = |flag, answer| choice.relaxations.iter().find(|one| one.answers == [(flag, answer)]);
    assert_eq!(helps("hosts", "one").unwrap().candidate, "posix-queue");
    assert_eq!(helps("restarts", "reconnect").unwrap().candidate, "tamtam-tcp");
    // Here no single other answer helps.
    let needs = Needs { meet: Meet::Pid, first: First::Urgent, ..Needs::default() };
    let choice = Choice::of(&needs, &Machine::ordinary(), None);
    assert!(choice.relaxations.iter().all(|one| one.answers.len() == 2));
    let two = [("meet", "address"), ("first", "oldest")];
    let both = choice.relaxations.iter().find(|one| one.answers == two).expect("the default");
    assert_eq!(both.candidate, "unix-seqpacket");
    let json = choice.to_json(None);
    assert!(json["recommended"].is_null() && json["relaxations"][0]["answers"].is_object());
}

#[test]
fn the_json_is_what_is_promised() {
    let needs = Needs::default();
    let choice = Choice::of(&needs, &Machine::ordinary(), None);
    let json = choice.to_json(None);
    assert_eq!(json["recommended"]["name"], "unix-seqpacket");
    assert_eq!(json["recommended"]["next"][0], "tamtam ipc explain unix-seqpacket");
    assert!(json["recommended"]["code"].as_str().unwrap().contains("fn main()"));
    assert!(json["recommended"]["reason"].is_null() && json["runner_up"]["reason"].is_string());
    assert_eq!(json["basis"], serde_json::json!({ "measured": false }));
    assert_eq!(json["needs"]["languages"], "rust");
    let others = json["others"].as_array().unwrap();
    assert_eq!(others.len() + 2, CANDIDATES.len());
    assert!(others.iter().all(|other| other["name"].is_string() && other["reason"].is_string()));

    let evidence = Evidence::of(&report(vec![cell("tcp", Pattern::RoundTrip, 64, 9.0)]), &needs).unwrap();
    let json = Choice::of(&needs, &Machine::ordinary(), Some(&evidence)).to_json(Some(&evidence));
    assert_eq!(json["recommended"]["number"]["us"], 9.0);
    assert_eq!((&json["basis"]["measured"], &json["basis"]["size"]), (&true.into(), &64.into()));
}
