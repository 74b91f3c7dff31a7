//! What `/metrics` shows from the start, and what the gauges of the kit say.

use e2e::poll;
use e2e::samples::{LAPTOP, order};
use e2e::shop::Shop;
use std::collections::BTreeSet;

/// The names of what is measured, by the lines that begin like this.
fn named<'t>(text: &'t str, begin: &str) -> BTreeSet<&'t str> {
    text.lines().filter_map(|line| line.strip_prefix(begin)?.split(' ').next()).collect()
}

/// The value of a metric with exactly these labels, as it is written.
fn value(text: &str, metric: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn every_metric_is_explained_and_every_counter_begins_at_zero() {
    let shop = Shop::plan().with_accounts().open().await;
    for (service, counters) in [
        (
            shop.orders(),
            &[
                "orders_placed_total",
                "order_status_changes_total{status=\"CONFIRMED\"}",
                "async_placements_total{outcome=\"given_up\"}",
                "notification_attempts_total{channel=\"EMAIL\",outcome=\"failed\"}",
                "dead_letters_total{queue=\"order-service.reservation-events\"}",
            ][..],
        ),
        (shop.inventory(), &["reservations_total{outcome=\"refused\"}"][..]),
        (shop.accounts(), &["auth_logins_total{outcome=\"failed\"}", "auth_refresh_reuse_total"][..]),
    ] {
        let text = service.get("/metrics").await.is(200).text;
        let (typed, explained) = (named(&text, "# TYPE "), named(&text, "# HELP "));
        assert_eq!(typed.difference(&explained).collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>());
        for counter in
            ["outbox_published_total", "batches_retried_total", "http_connections_cut_total{reason=\"slow\"}"]
                .iter()
                .chain(counters)
        {
            assert!(value(&text, counter).is_some(), "{counter} in\n{text}");
        }
    }
}

#[tokio::test]
async fn what_waits_in_the_outbox_is_shown() {
    let shop = Shop::plan().without_broker().open().await;
    let shown = async |metric: &str| value(&shop.orders().get("/metrics").await.is(200).text, metric);
    poll::eventually("an empty outbox", async || match shown("outbox_waiting").await {
        Some(0.0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).await.is(201);
    poll::eventually("a message that waits", async || match shown("outbox_waiting").await {
        Some(waiting) if waiting >= 1.0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(shown("outbox_oldest_seconds").await.is_some_and(|age| age > 0.0));
    assert!(shown("database_connections{state=\"idle\"}").await.is_some());
    assert!(shown("database_acquire_seconds_count").await.is_some_and(|count| count > 0.0));
}
