//! What `/metrics` shows from the start, and what the gauges of the kit say.

use e2e::client::Client;
use e2e::money;
use e2e::poll;
use e2e::samples::{LAPTOP, int, order};
use e2e::shop::Shop;
use serde_json::json;
use std::collections::BTreeSet;

/// The names of what is measured, by the lines that begin like this.
fn named<'t>(text: &'t str, begin: &str) -> BTreeSet<&'t str> {
    text.lines().filter_map(|line| line.strip_prefix(begin)?.split(' ').next()).collect()
}

/// The value of a metric with exactly these labels, as it is written.
pub fn value(text: &str, metric: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a service shows this value.
pub async fn shows(client: &Client, metric: &str, expected: f64) {
    poll::eventually(&format!("{metric} to be {expected}"), async || {
        let found = value(&client.get("/metrics").await.is(200).text, metric);
        if found == Some(expected) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Waits until a service shows this value of a queue. A letter can be read a moment before it is counted.
pub async fn queue_shows(client: &Client, metric: &str, queue: &str, expected: f64) {
    shows(client, &format!("{metric}{{queue=\"{queue}\"}}"), expected).await;
}

#[tokio::test]
async fn every_metric_is_explained_and_every_counter_begins_at_zero() {
    let shop = Shop::plan().with_accounts().open().await;
    for (service, counters) in [
        (
            shop.orders(),
            &[
                "orders_placed_total",
                "orders_to_confirm_total",
                "order_status_changes_total{status=\"CONFIRMED\"}",
                "async_placements_total{outcome=\"given_up\"}",
                "notification_attempts_total{channel=\"EMAIL\",outcome=\"failed\"}",
                "dead_letters_total{queue=\"order-service.reservation-events\"}",
                "events_consumed_total{queue=\"order-service.reservation-events\"}",
                "inventory_circuit_transitions_total{to=\"open\"}",
                "notifications_written_total{channel=\"EMAIL\",status=\"QUEUED\"}",
            ][..],
        ),
        (shop.inventory(), &["reservations_total{outcome=\"refused\"}"][..]),
        (shop.accounts(), &["auth_logins_total{outcome=\"failed\"}", "auth_refresh_reuse_total"][..]),
    ] {
        let text = service.get("/metrics").await.is(200).text;
        let (typed, explained) = (named(&text, "# TYPE "), named(&text, "# HELP "));
        assert_eq!(typed.difference(&explained).collect::<Vec<_>>(), [""; 0].iter().collect::<Vec<_>>());
        for counter in [
            "outbox_published_total",
            "batches_retried_total",
            "database_slow_statements_total",
            "http_connections_cut_total{reason=\"slow\"}",
        ]
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
    // The two are set one after the other.
    for (metric, least) in [("outbox_waiting", 1.0), ("outbox_oldest_seconds", f64::MIN_POSITIVE)] {
        poll::eventually("a message that waits", async || match shown(metric).await {
            Some(value) if value >= least => Ok(()),
            other => Err(format!("{metric}: {other:?}")),
        })
        .await;
    }
    assert!(shown("database_connections{state=\"idle\"}").await.is_some());
    assert!(shown("database_acquire_seconds_count").await.is_some_and(|count| count > 0.0));
}

#[tokio::test]
async fn a_broken_invariant_shows_at_the_first_check() {
    let mut shop = Shop::plan().with_accounts().open().await;
    shows(shop.inventory(), "invariant_breaches{invariant=\"stock-is-sum-of-movements\"}", 0.0).await;
    shows(shop.accounts(), "invariant_breaches{invariant=\"one-refresh-token-is-good\"}", 0.0).await;
    let (total, lines) = ("total-is-sum-of-lines", "order-has-lines");
    let gauge = |invariant: &str| format!("invariant_breaches{{invariant=\"{invariant}\"}}");
    shows(shop.orders(), &gauge(total), 0.0).await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let dearer = format!("UPDATE orders.orders SET total_amount = total_amount + 1 WHERE id = {id}");
    assert_eq!(shop.database.execute(dearer).await, 1);
    shop.order_services[0].kill();
    shop.order_services[0].start().await;
    shows(shop.orders(), &gauge(total), 1.0).await;
    shows(shop.orders(), &gauge(lines), 0.0).await;
    assert_eq!(shop.order_services[0].log_lines(&["an invariant does not hold", total]), 1);
}

#[tokio::test]
async fn a_slow_statement_is_counted() {
    let shop = Shop::open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let lock = shop.database.lock(format!("SELECT FROM orders.orders WHERE id = {id} FOR UPDATE")).await;
    let (client, path) = (shop.orders().clone(), format!("/api/orders/{id}"));
    let patch = tokio::spawn(async move { client.patch(&path, json!({"note": "Please ring"})).await.is(200) });
    let slow = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND datname = current_database() AND now() - query_start > INTERVAL '1.1 s'";
    poll::eventually("a statement to take long", async || {
        if shop.database.number(slow).await > 0 { Ok(()) } else { Err("none does".to_owned()) }
    })
    .await;
    lock.rollback().await.unwrap();
    patch.await.unwrap();
    let text = shop.orders().get("/metrics").await.is(200).text;
    assert!(value(&text, "database_slow_statements_total").is_some_and(|count| count >= 1.0), "{text}");
}

#[tokio::test]
async fn an_order_is_to_be_confirmed_once_no_money_is_awaited() {
    let provider = money::sandbox().await;
    let shop = Shop::plan().paid_by(&provider).open().await;
    let show = async |to_confirm: f64, placed: f64| {
        shows(shop.orders(), "orders_placed_total", placed).await;
        shows(shop.orders(), "orders_to_confirm_total", to_confirm).await;
        shows(shop.orders(), "order_status_changes_total{status=\"CONFIRMED\"}", to_confirm).await;
    };
    shop.place(&[(LAPTOP, 1)]).await;
    show(1.0, 1.0).await;
    money::placed_by(&shop, "CASH_ON_DELIVERY").await;
    show(2.0, 2.0).await;
    let (order, _) = money::placed(&shop).await;
    show(2.0, 3.0).await;
    money::pay(&shop, order, "pm_card_visa").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    show(3.0, 3.0).await;
}

#[tokio::test]
async fn the_age_of_keys_that_never_came_is_shown() {
    let shop = Shop::plan().order_variable("AUTH_ISSUER", "http://127.0.0.1:1").open().await;
    let text = shop.orders().get("/metrics").await.is(200).text;
    let since = value(&text, "auth_keys_fetched_timestamp_seconds");
    assert!(since.is_some_and(|since| since > 1e9), "{since:?}");
}
