//! The report as a person reads it.

use crate::baseline::Baseline;
use crate::figures::{Figure, Goal};
use crate::measure::{Load, disturbance};
use crate::report::{Report, ScenarioReport};
use std::fmt::Write;

/// The goals of all scenarios and whether they are met.
pub fn of_report(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    let _ =
        writeln!(text, "\n{}, {} cores, {} MiB, {}", machine.cpu, machine.cores, machine.memory_mib, machine.kernel);
    let versions = (&machine.postgresql, &machine.rabbitmq, &machine.rustc, &report.commit);
    let _ = writeln!(text, "PostgreSQL {}, RabbitMQ {}, {}, commit {}", versions.0, versions.1, versions.2, versions.3);
    let Baseline { mixed, hot } = &report.baseline;
    for (name, points) in [("mixed", mixed), ("hot", hot)] {
        let rates = points.iter().map(|point| format!("{}: {:.0}", point.clients, point.orders_per_second));
        let rates: Vec<String> = rates.collect();
        let _ = writeln!(text, "PostgreSQL alone, {name}, orders/s by clients: {}", rates.join(", "));
    }
    let _ = writeln!(text, "\n{}", header());
    for outcome in &report.scenarios {
        for figure in &outcome.figures {
            let _ = writeln!(text, "{}", line(&outcome.scenario.to_string(), figure));
        }
    }
    for outcome in &report.scenarios {
        outcome.wrong.iter().take(20).for_each(|wrong| {
            let _ = writeln!(text, "WRONG in {}: {wrong}", outcome.scenario);
        });
    }
    let verdict = match report.missed() {
        0 => "every goal met".to_owned(),
        count => format!("{count} goals missed"),
    };
    let _ = writeln!(text, "{verdict}, {}", if report.is_right() { "every answer right" } else { "WRONG ANSWERS" });
    text
}

/// One scenario: its results and what its loads cost.
pub fn of_outcome(outcome: &ScenarioReport) -> String {
    let mut text = String::new();
    for figure in &outcome.figures {
        let _ = writeln!(text, "{}", line("", figure));
    }
    outcome.loads.iter().for_each(|load| write_load(&mut text, load));
    outcome.wrong.iter().take(20).for_each(|wrong| {
        let _ = writeln!(text, "  WRONG: {wrong}");
    });
    text
}

fn header() -> String {
    format!("{:<14} {:<48} {:>12}  {:>12} {:>8} {:>8}", "scenario", "", "value", "against", "ratio", "goal")
}

fn line(scenario: &str, figure: &Figure) -> String {
    let Figure { name, value, unit, against, ratio, goal, met, .. } = figure;
    let number = |value: f64| if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    let optional = |value: &Option<f64>| value.map_or(String::new(), number);
    let goal = match goal {
        Some(Goal::AtLeast(bound)) => format!("≥ {bound}"),
        Some(Goal::AtMost(bound)) => format!("≤ {bound}"),
        None => String::new(),
    };
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    let value = format!("{} {unit}", number(*value));
    let line = format!(
        "{scenario:<14} {name:<48} {value:>12}  {:>12} {:>8} {goal:>8} {verdict}",
        optional(against),
        optional(ratio)
    );
    line.trim_end().to_owned()
}

fn write_load(text: &mut String, load: &Load) {
    let (answers, latency) = (&load.answers, &load.answers.latency);
    let _ = writeln!(
        text,
        "  {}: {:.0}/s over {:.1} s; p50 {:.2}, p95 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2} ms",
        load.name,
        answers.per_second(),
        answers.seconds,
        latency.p50_ms,
        latency.p95_ms,
        latency.p99_ms,
        latency.p999_ms,
        latency.max_ms
    );
    let cpu = load.usage.iter().map(|group| {
        let memory = if group.max_rss_mib > 0.0 { format!(" {:.0} MiB", group.max_rss_mib) } else { String::new() };
        format!("{} {:.0} µs{memory}", group.name, group.cpu_us_per_answer)
    });
    let _ = writeln!(text, "    processor per answer: {}", cpu.collect::<Vec<_>>().join(", "));
    let batches = load.batches.iter().map(|(queue, size)| format!("; {size:.1} {queue} in a batch"));
    let _ = writeln!(
        text,
        "    per answer: {:.2} events in {:.2} messages, {:.2} statements, {:.0} bytes of WAL{}",
        load.events_per_answer,
        load.messages_per_answer,
        load.statements_per_answer,
        load.wal_bytes_per_answer,
        batches.collect::<String>()
    );
    if let Some(share) = disturbance(&load.usage, answers.seconds) {
        let _ = writeln!(text, "    DISTURBED: {:.0} % of the machine did something else", share * 100.0);
    }
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::figures::{Figure, Goal};

    #[test]
    fn a_line_says_whether_the_goal_is_met() {
        let figure = Figure::new("orders placed", 1234.4, "/s").against("alone", 400.0).wanted(Goal::AtLeast(2.0));
        let words: Vec<String> = line("placement", &figure).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "placement orders placed 1234 /s 400 3.09 ≥ 2 met");
        let figure = Figure::new("p99", 60.0, "ms").wanted(Goal::AtMost(50.0));
        assert!(line("half-load", &figure).ends_with("≤ 50 MISSED"));
    }
}
