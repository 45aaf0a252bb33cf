//! The demo's result, for people and for programs.

use serde_json::{Value, json};

use super::crew::{Member, State};
use super::report::exact;
use crate::table::{Paint, Table};

/// The columns with numbers; behind them stands what came of it.
const NUMBERS: [&str; 6] = ["subscriber", "received", "lost", "out of order", "bad", "msg/s"];

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) transport: &'static str,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

impl Sent {
    fn rate(&self) -> f64 {
        if self.seconds > 0.0 { exact(self.messages) / self.seconds } else { 0.0 }
    }
}

/// Returns one JSON object per subscriber and one for the whole.
pub(crate) fn to_json(sent: &Sent, members: &[Member]) -> Vec<Value> {
    let mut lines: Vec<Value> = members
        .iter()
        .map(|member| {
            let mut line =
                json!({ "subscriber": member.number, "pid": member.pid(), "received": member.received() });
            match &member.state {
                State::Reported(report) => {
                    line["state"] = if report.is_intact(sent.messages) { "intact" } else { "damaged" }.into();
                    line["lost"] = report.lost(sent.messages).into();
                    line["out_of_order"] = report.out_of_order.into();
                    line["bad"] = report.bad.into();
                    line["ended"] = report.ended.into();
                    line["bytes"] = report.bytes.into();
                    line["seconds"] = report.seconds.into();
                    line["messages_per_second"] = report.rate().into();
                }
                State::Died { received, how } => {
                    line["state"] = "died".into();
                    line["why"] = how.as_str().into();
                    line["lost_at_most"] = sent.messages.saturating_sub(*received).into();
                }
                State::Running { received } => {
                    line["state"] = "silent".into();
                    line["lost_at_most"] = sent.messages.saturating_sub(*received).into();
                }
            }
            line
        })
        .collect();
    lines.push(json!({
        "transport": sent.transport,
        "subscribers": members.len(),
        "messages": sent.messages,
        "bytes": sent.bytes,
        "seconds": sent.seconds,
        "messages_per_second": sent.rate(),
        "intact": members.iter().all(|member| is_intact(sent, member)),
    }));
    lines
}

/// Returns whether a subscriber got everything.
pub(crate) fn is_intact(sent: &Sent, member: &Member) -> bool {
    matches!(&member.state, State::Reported(report) if report.is_intact(sent.messages))
}

/// Returns the table's lines.
pub(crate) fn to_text(sent: &Sent, members: &[Member], coloured: bool) -> Vec<String> {
    let mut table = Table::of_numbers(NUMBERS.len());
    table.row(NUMBERS);
    for member in members {
        let paint = if is_intact(sent, member) { Paint::Good } else { Paint::Bad };
        let numbers = row(sent, member).map(|number| (number, Paint::Plain));
        table.painted(numbers.into_iter().chain([(verdict(sent, member), paint)]));
    }
    let count = members.len();
    let whole = format!(
        "{} messages ({} bytes) to {count} subscriber{} over {} in {:.2} s: {:.0} msg/s",
        sent.messages,
        sent.bytes,
        if count == 1 { "" } else { "s" },
        sent.transport,
        sent.seconds,
        sent.rate(),
    );
    table.line(whole, Paint::Plain);
    table.lines(coloured)
}

fn row(sent: &Sent, member: &Member) -> [String; 6] {
    let number = member.number.to_string();
    match &member.state {
        State::Reported(report) => [
            number,
            report.received.to_string(),
            report.lost(sent.messages).to_string(),
            report.out_of_order.to_string(),
            report.bad.to_string(),
            format!("{:.0}", report.rate()),
        ],
        State::Died { received, .. } | State::Running { received } => {
            // Its last word is up to a tenth of a second old.
            let lost = sent.messages.saturating_sub(*received);
            let unknown = || "?".to_owned();
            [number, format!(">={received}"), format!("<={lost}"), unknown(), unknown(), unknown()]
        }
    }
}

fn verdict(sent: &Sent, member: &Member) -> String {
    match &member.state {
        State::Reported(report) if report.is_intact(sent.messages) => "intact".to_owned(),
        State::Reported(report) if !report.ended => "no END".to_owned(),
        State::Reported(_) => "damaged".to_owned(),
        State::Died { how, .. } => how.clone(),
        State::Running { .. } => "no report".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;

    fn members() -> Vec<Member> {
        let intact = Report { received: 1000, ended: true, seconds: 0.5, ..Report::default() };
        let holed =
            Report { received: 990, out_of_order: 2, bad: 1, ended: true, seconds: 0.5, ..Report::default() };
        let states = [
            State::Reported(intact),
            State::Reported(holed),
            State::Died { received: 400, how: "killed (signal 9)".to_owned() },
            State::Running { received: 7 },
        ];
        let number = |(index, state)| Member { number: index + 1, child: None, state };
        states.into_iter().enumerate().map(number).collect()
    }

    const SENT: Sent = Sent { transport: "ipc", messages: 1000, bytes: 30_000, seconds: 0.25 };

    #[test]
    fn the_table_aligns_and_tells_the_truth() {
        let lines = to_text(&SENT, &members(), false);
        assert_eq!(
            lines,
            [
                "subscriber  received   lost  out of order  bad  msg/s",
                "         1      1000      0             0    0   2000  intact",
                "         2       990     10             2    1   1980  damaged",
                "         3     >=400  <=600             ?    ?      ?  killed (signal 9)",
                "         4       >=7  <=993             ?    ?      ?  no report",
                "1000 messages (30000 bytes) to 4 subscribers over ipc in 0.25 s: 4000 msg/s",
            ]
        );
        assert!(to_text(&SENT, &members(), true)[1].ends_with("\x1b[32mintact\x1b[0m"));
    }

    #[test]
    fn programs_get_the_same_numbers() {
        let lines = to_json(&SENT, &members());
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0]["state"], "intact");
        assert_eq!(lines[1]["lost"], 10);
        assert_eq!(lines[2]["lost_at_most"], 600);
        assert_eq!(lines[2]["why"], "killed (signal 9)");
        assert_eq!(lines[3]["state"], "silent");
        assert_eq!(lines[4]["intact"], false);
    }
}
