//! The outcome of a run as a person reads it.

use crate::Settings;
use crate::books::{Books, Line};
use crate::checks::{self, Checked};
use crate::figures::{Away, Figures, Kind, Refusal, Stream};
use crate::listener::Heard;
use crate::observed::Observed;
use crate::routes;
use shared_types::OrderStatus;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Findings shown of one check: a loud failure has thousands of the same kind.
const SHOWN: usize = 20;

/// What becomes of a payment.
const FATES: [&[&str]; 3] = [&["CAPTURED"], &["PART_REFUNDED", "REFUNDED"], &["VOIDED", "EXPIRED"]];

/// What a run found.
#[derive(Clone, Debug)]
pub struct RunReport {
    seed: u64,
    seconds: u32,
    clients: usize,
    fleet: bool,
    figures: Figures,
    orders: BTreeMap<&'static str, usize>,
    books: Books,
    events: usize,
    copies: u64,
    recovery: Option<Duration>,
    checks: Vec<Checked>,
    /// The build that was upgraded from.
    from: Option<String>,
}

impl RunReport {
    /// Puts the outcome together.
    pub fn new(
        settings: &Settings,
        figures: Figures,
        observed: &Observed,
        heard: &Heard,
        recovery: Option<Duration>,
        checks: Vec<Checked>,
    ) -> Self {
        let Settings { seed, seconds, clients, fleet, .. } = *settings;
        let mut orders = BTreeMap::new();
        for (order, _) in &observed.orders {
            *orders.entry(order.status.as_str()).or_default() += 1;
        }
        let events = heard.events.len();
        let copies = heard.arrivals.saturating_sub(events as u64);
        let books = observed.books.clone();
        let from = settings.from.as_ref().map(|from| from.name.clone());
        Self { seed, seconds, clients, fleet, figures, orders, books, events, copies, recovery, checks, from }
    }

    /// What becomes of payments by providers, and should become of some in a run of some length, and did not.
    pub fn fates_left_out(&self) -> Vec<String> {
        let wanted = ["CARD", "UPI"].into_iter().flat_map(|method| FATES.map(|fate| (method, fate)));
        let left_out = wanted.filter(|(method, fate)| self.with_fate(method, fate) == 0);
        left_out.map(|(method, fate)| format!("no payment by {method} came to be {}", fate.join(" or "))).collect()
    }

    fn with_fate(&self, method: &str, fate: &[&str]) -> usize {
        let lines = self.books.lines.iter().filter(|line| line.method == method);
        lines.filter(|line| fate.contains(&line.status.as_str())).count()
    }

    /// Routes that a run of some length should have called and did not.
    pub fn routes_left_out(&self) -> Vec<String> {
        routes::breaches(&self.figures.routes)
    }

    /// How many things do not hold.
    pub fn findings(&self) -> usize {
        self.checks.iter().map(|check| check.findings.len()).sum()
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", if self.from.is_some() { "instances" } else { "faults" })?;
        for (kind, count) in &self.figures.faults {
            writeln!(f, "  {kind:<34} {count:>6}")?;
        }
        if let Some(way_back) = &self.figures.way_back {
            writeln!(f, "way back\n  {way_back}")?;
        }
        if !self.figures.recoveries.is_empty() {
            writeln!(f, "blows to the fleet, and the longest time until all worked again")?;
            for (kind, times) in &self.figures.recoveries {
                let slowest = times.iter().max().copied().unwrap_or_default().as_secs_f64();
                writeln!(f, "  {kind:<34} {:>6} {slowest:>8.1} s", times.len())?;
            }
            let found = |name: &str| self.checks.iter().filter(|it| it.name == name).map(|it| it.findings.len()).sum();
            let (lost, doubled): (usize, usize) = (found(checks::KEPT), found(checks::ONCE));
            writeln!(f, "  answers lost {lost}, doubled {doubled}")?;
        }
        writeln!(f, "requests")?;
        let mut of_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for ((kind, answer), count) in &self.figures.requests {
            of_kind.entry(*kind).or_default().push(format!("{count} × {answer}"));
        }
        for (kind, answers) in of_kind {
            writeln!(f, "  {:<18} {}", kind.name(), answers.join(", "))?;
        }
        let all: usize = self.orders.values().sum();
        let of = |status: OrderStatus| self.orders.get(status.as_str()).copied().unwrap_or_default();
        let by_status = OrderStatus::ALL.map(|status| format!("{} {status}", of(status)));
        writeln!(f, "orders\n  {all}: {}", by_status.join(", "))?;
        writeln!(f, "payments")?;
        for method in ["CARD", "UPI", "CASH_ON_DELIVERY"] {
            let [taken, given_back, closed] = FATES.map(|fate| self.with_fate(method, fate));
            let all = self.books.lines.iter().filter(|line| line.method == method).count();
            let rest = all - taken - given_back - closed;
            writeln!(f, "  {method:<17} {all}: {taken} paid, {given_back} given back, {closed} closed, {rest} else")?;
        }
        let by_provider = || self.books.lines.iter().filter(|line| !line.at_the_door());
        let sum = |part: fn(&Line) -> u64| in_units(by_provider().map(part).sum());
        let (taken, back) = (sum(|line| line.ours.captured), sum(|line| line.ours.refunded));
        writeln!(f, "  {taken} taken and {back} given back by providers, in our books")?;
        let (taken, back) = (sum(|line| line.theirs.captured), sum(|line| line.theirs.refunded));
        writeln!(f, "  {taken} taken and {back} given back by providers, in theirs")?;
        writeln!(f, "events\n  {} heard, {} more as copies", self.events, self.copies)?;
        writeln!(f, "availability")?;
        for (name, stream) in [("placements", Stream::Placements), ("reads", Stream::Reads)] {
            let share = self.figures.availability(stream) * 100.0;
            let gap = self.figures.longest_gap(stream).as_secs_f64();
            writeln!(f, "  {name:<12} {share:5.1} % answered, longest gap {gap:.1} s")?;
        }
        for Refusal { by, after } in &self.figures.refusals {
            let after = after.map_or("never".to_owned(), |after| format!("after {:.1} s", after.as_secs_f64()));
            writeln!(f, "  token refused everywhere {after}: {by}")?;
        }
        for after in &self.figures.new_keys {
            writeln!(f, "  new key accepted everywhere after {:.1} s", after.as_secs_f64())?;
        }
        if let Some(Away { asked, placed }) = self.figures.away {
            writeln!(f, "  {placed} of {asked} orders of a customer placed without account-service")?;
        }
        match self.recovery {
            Some(recovery) => writeln!(f, "  quiet {:.1} s after the last client", recovery.as_secs_f64())?,
            None => writeln!(f, "  never quiet")?,
        }
        writeln!(f, "checks")?;
        for Checked { name, findings } in &self.checks {
            let verdict = if findings.is_empty() { "ok".to_owned() } else { format!("FAILED, {}", findings.len()) };
            writeln!(f, "  {name:<34} {verdict}")?;
            findings.iter().take(SHOWN).try_for_each(|finding| writeln!(f, "    - {finding}"))?;
            if findings.len() > SHOWN {
                writeln!(f, "    … and {} more", findings.len() - SHOWN)?;
            }
        }
        let Self { seed, seconds, clients, fleet, .. } = self;
        let verdict = match self.findings() {
            0 => "everything held".to_owned(),
            count => format!("{count} findings"),
        };
        match &self.from {
            Some(from) => write!(f, "{verdict}; the same again:\n  cargo xtask upgrade-test --from {from}")?,
            None => write!(f, "{verdict}; the same blows again:\n  cargo xtask chaos")?,
        }
        let fleet = if *fleet { " --ha" } else { "" };
        write!(f, "{fleet} --seed {seed} --seconds {seconds} --clients {clients}")
    }
}

/// Hundredths as they are written.
fn in_units(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
