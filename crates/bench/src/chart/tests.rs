//! The picture holds what the report does.

use super::of_report;
use crate::baseline::Baseline;
use crate::figures::Figure;
use crate::machine::Machine;
use crate::pgbench::Point;
use crate::report::{Report, ScenarioReport, Series};
use crate::scenario::Scenario;

fn point(orders_per_second: f64) -> Point {
    Point { clients: 16, orders_per_second, ..Point::default() }
}

fn report() -> Report {
    let mut placement = ScenarioReport::of(Scenario::Placement);
    placement.figures.push(Figure::new("orders placed", 2500.0, "/s").against("PostgreSQL alone", 1000.0));
    Report {
        date: String::new(),
        commit: String::new(),
        machine: Machine { cpu: "A & B".to_owned(), ..Machine::default() },
        seconds: 10,
        baseline: Baseline { mixed: vec![point(800.0), point(1000.0)], hot: vec![point(300.0)] },
        baseline_from: None,
        scenarios: vec![placement],
    }
}

#[test]
fn shows_the_rates_on_white() {
    let svg = of_report(&report()).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in ["#FFFFFF", "PostgreSQL alone, two lines", "orders placed", "2500", "2.5 ×", "A &amp; B"] {
        assert!(svg.contains(text), "{text} is missing in {svg}");
    }
    assert!(!svg.contains("milliseconds"));
}

#[test]
fn shows_the_curves_where_they_were_measured() {
    let mut report = report();
    let mut curve = ScenarioReport::of(Scenario::Curve);
    for (name, least) in [("mixed: p50 in ms", 0.0), ("mixed: p99 in ms", 8.0)] {
        let points = vec![(100.0, least), (900.0, least + 120.0)];
        curve.series.push(Series { name: name.to_owned(), points });
    }
    report.scenarios.push(curve);
    let svg = of_report(&report).unwrap();
    assert!(svg.contains("milliseconds") && svg.contains("two lines of random products"));
    assert!(!svg.contains("one line of one product"));
}
