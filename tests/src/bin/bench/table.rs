//! The figures beside their budgets.

use std::fmt;
use std::time::Duration;

/// Above this load average others take so much of the two cores that a missed time says nothing of us.
const BUSY: f64 = 2.5;

/// What has been measured so far.
pub(crate) struct Table {
    /// Of the machine, before anything was measured.
    load: f64,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    budget: String,
    value: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    Missed,
    NotJudged,
    /// It has no budget.
    None,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotJudged => "not judged: machine busy",
            Self::None => "",
        })
    }
}

impl Table {
    pub(crate) fn new(load: f64) -> Self {
        Self { load, rows: vec![] }
    }

    /// A figure that has no budget.
    pub(crate) fn note(&mut self, name: &str, value: impl fmt::Display) {
        self.add(name, "", value, Verdict::None);
    }

    /// A time that must stay below `budget`.
    pub(crate) fn time(&mut self, name: &str, value: Duration, budget: Duration) {
        let verdict = self.timed(value < budget);
        self.add(name, format!("< {}", Millis(budget)), Millis(value), verdict);
    }

    /// A number a second that must exceed `budget`.
    pub(crate) fn rate(&mut self, name: &str, value: f64, budget: f64) {
        let verdict = self.timed(value > budget);
        self.add(name, format!("> {budget:.0}/s"), format!("{value:.0}/s"), verdict);
    }

    /// A part of a whole that must stay below `budget`.
    pub(crate) fn percent(&mut self, name: &str, value: f64, budget: f64) {
        let verdict = self.timed(value < budget);
        self.add(name, format!("< {budget:.2} %"), format!("{value:.2} %"), verdict);
    }

    /// A size in bytes that must stay below `budget`, however busy the machine is.
    pub(crate) fn bytes(&mut self, name: &str, value: u64, budget: u64) {
        let verdict = if value < budget {
            Verdict::Met
        } else {
            Verdict::Missed
        };
        self.add(
            name,
            format!("< {budget} bytes"),
            format!("{value} bytes"),
            verdict,
        );
    }

    fn timed(&self, met: bool) -> Verdict {
        match met {
            true => Verdict::Met,
            false if self.load > BUSY => Verdict::NotJudged,
            false => Verdict::Missed,
        }
    }

    fn add(&mut self, name: &str, budget: impl fmt::Display, value: impl fmt::Display, verdict: Verdict) {
        self.rows.push(Row {
            name: name.to_owned(),
            budget: budget.to_string(),
            value: value.to_string(),
            verdict,
        });
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Missed)
    }

    pub(crate) fn print(&self) {
        println!("load average before: {:.2}\n", self.load);
        println!("{:<52} {:>16} {:>16}", "", "budget", "value");
        for row in &self.rows {
            let Row {
                name,
                budget,
                value,
                verdict,
            } = row;
            println!("{name:<52} {budget:>16} {value:>16}  {verdict}");
        }
    }
}

/// A time as people compare it here.
pub(crate) struct Millis(pub(crate) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ms", self.0.as_secs_f64() * 1e3)
    }
}
