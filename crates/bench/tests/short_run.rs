//! Every scenario once, with loads too short to say anything about speed: does it end, is its report whole, and is
//! what it leaves behind right?

use bench::scenario::Scenario;
use bench::{Report, Settings, chart, table};
use testbed::environment::Environment;

/// So few that the services are compared item by item.
const ORDERS: u32 = 5000;

fn settings() -> Settings {
    let environment = Environment::get();
    Settings {
        scenarios: Vec::new(),
        seconds: 1,
        smoke: true,
        baseline_from: None,
        orders: ORDERS,
        bench: env!("CARGO_BIN_EXE_bench").into(),
        run_dir: environment.run_dir.join("bench"),
        order_service: environment.order_service.clone(),
        inventory_service: environment.inventory_service.clone(),
        account_service: environment.account_service.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_ends_with_a_whole_report_and_right_answers() {
    let settings = settings();
    std::fs::create_dir_all(&settings.run_dir).unwrap();
    let report = bench::run(settings).await.unwrap();
    let text = table::of_report(&report);
    println!("{text}");

    let ran: Vec<Scenario> = report.scenarios.iter().map(|outcome| outcome.scenario).collect();
    assert_eq!(ran, Scenario::all());
    assert_eq!((report.baseline.mixed.len(), report.baseline.hot.len()), (2, 2));
    for outcome in &report.scenarios {
        let scenario = outcome.scenario;
        assert!(outcome.wrong.is_empty(), "{scenario}: {:?}", outcome.wrong);
        assert!(!outcome.figures.is_empty() || !outcome.series.is_empty(), "{scenario} found nothing out");
        // What is abandoned needs no client any more.
        assert!(!outcome.loads.is_empty() || scenario == Scenario::Settling, "{scenario} put no load on");
        assert!(outcome.loads.iter().all(|load| load.answers.requests > 0), "{scenario}: {:?}", outcome.loads);
        assert!(outcome.figures.iter().all(|figure| figure.value.is_finite()), "{scenario}: {:?}", outcome.figures);
        assert!(outcome.figures.iter().all(|figure| text.contains(&figure.name)), "{scenario} is not in the table");
    }
    let goals = report.scenarios.iter().flat_map(|outcome| &outcome.figures).filter(|figure| figure.goal.is_some());
    assert_eq!(goals.count(), GOALS, "{text}");

    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap().scenarios.len(), ran.len());
    assert!(chart::of_report(&report).unwrap().contains("milliseconds"));
}

/// Results with a goal, of all scenarios together.
const GOALS: usize = 42;
