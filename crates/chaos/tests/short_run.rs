//! A short run on every test run, with another seed each time: all promises at once, while everything dies.

use chaos::Settings;
use testbed::environment::Environment;

/// Long enough for every kind of fault.
const SECONDS: u32 = 45;

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept_while_everything_dies() {
    let environment = Environment::get();
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let settings = Settings {
        seed: fastrand::u64(0..1_000_000),
        fleet: false,
        seconds,
        clients: 8,
        run_dir: environment.run_dir.join("chaos"),
        order_service: environment.order_service.clone(),
        inventory_service: environment.inventory_service.clone(),
        account_service: environment.account_service.clone(),
        from: None,
    };
    std::fs::create_dir_all(&settings.run_dir).unwrap();
    println!("seed {}", settings.seed);
    let outcome = chaos::run(&settings).await.unwrap();
    println!("{outcome}");
    assert_eq!(outcome.findings(), 0);
    // A shorter one need not get to every operation.
    if seconds >= SECONDS {
        assert_eq!(outcome.routes_left_out(), [""; 0]);
        assert_eq!(outcome.fates_left_out(), [""; 0]);
    }
}
