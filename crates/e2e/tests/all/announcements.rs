//! Promise P5, the sending side: what was committed is announced in order, with the trace of what caused it.

use crate::consuming::Flags;
use clap::Parser;
use e2e::broker::TestBroker;
use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::poll;
use e2e::samples::{LAPTOP, int, order, text};
use e2e::shop::Shop;
use serde_json::Value;
use service_kit::broker::Broker;
use service_kit::db::Database;
use service_kit::outbox::Outbox;
use service_kit::relay;
use service_kit::schema::Schema;
use service_kit::shutdown::Shutdown;
use std::time::Duration;

#[tokio::test]
async fn a_backlog_is_published_in_order_and_completely() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    // More than the relay publishes in one go, all there at the same moment.
    shop.database
        .execute(
            "INSERT INTO orders.outbox (event_type, body)
             SELECT 'order.shipped', convert_to(json_build_object('number', number)::text, 'UTF8')
             FROM generate_series(1, 900) AS number ORDER BY number",
        )
        .await;
    let heard = tap.heard("order.shipped", 900).await;
    let numbers: Vec<i64> = heard.iter().map(|message| int(&message.event()["number"])).collect();
    assert_eq!(numbers, (1..=900).collect::<Vec<i64>>());
    shop.assert_invariants().await;
}

#[tokio::test]
async fn rows_that_share_a_message_stay_in_order() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    // Runs of ten rows of one type; every third row has two events.
    shop.database
        .execute(
            "INSERT INTO orders.outbox (event_type, events, body)
             SELECT CASE WHEN number / 10 % 2 = 0 THEN 'order.shipped' ELSE 'order.delivered' END,
                    CASE WHEN number % 3 = 0 THEN 2 ELSE 1 END,
                    convert_to(CASE WHEN number % 3 = 0 THEN format('[{\"n\":%s},{\"n\":%s}]', number, number)
                                    ELSE format('{\"n\":%s}', number) END, 'UTF8')
             FROM generate_series(0, 59) AS number ORDER BY number",
        )
        .await;
    tap.heard("order.shipped", 40).await;
    tap.heard("order.delivered", 40).await;
    let numbers: Vec<i64> = tap.all().iter().map(|message| int(&message.event()["n"])).collect();
    let expected = (0..60).flat_map(|number| vec![number; if number % 3 == 0 { 2 } else { 1 }]);
    assert_eq!(numbers, expected.collect::<Vec<i64>>());
    // Counted once they are deleted, which is after they were heard.
    poll::eventually("80 events in 6 messages, one for each run", async || {
        let metrics = shop.orders().get("/metrics").await.is(200).text;
        let counted = |line: &str| metrics.lines().any(|it| it == line);
        let right = counted("outbox_published_total 80") && counted("outbox_messages_published_total 6");
        if right { Ok(()) } else { Err(metrics) }
    })
    .await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn every_event_carries_the_trace_of_the_request() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let call = shop.orders().post("/api/orders", order(&[(LAPTOP, 1)])).header("traceparent", &traceparent);
    let placed = call.await.is(201).json();
    shop.order_becomes(int(&placed["id"]), "CONFIRMED").await;
    tap.heard("order.confirmed", 1).await;
    let traces: Vec<String> =
        tap.all().iter().map(|message| text(&message.event()["traceparent"])[3..35].to_owned()).collect();
    assert_eq!(traces, [trace; 3], "order.created, reservation.committed, order.confirmed");
}

#[tokio::test]
async fn no_event_overtakes_one_that_the_broker_refuses() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    // As a queue without a leader does: it refuses the first message that it gets, and takes the second.
    let queue = shop.broker().short_of_space(2000).await;
    shop.database
        .execute(
            "INSERT INTO orders.outbox (event_type, body)
             VALUES ('order.paid', convert_to(json_build_object('pad', repeat('x', 3000))::text, 'UTF8')),
                    ('payment.voided', convert_to('{}', 'UTF8'))",
        )
        .await;
    tap.heard("order.paid", 2).await;
    assert_eq!(shop.broker().peek(&queue).await, [Value::Null; 0], "the second event would be heard first");
    shop.broker().delete(&queue).await;
    tap.heard("payment.voided", 1).await;
    assert_eq!(tap.all().last().unwrap().routing_key, "payment.voided");
}

#[tokio::test]
async fn what_was_committed_last_is_published_before_the_relay_ends() {
    let environment = Environment::get();
    let test = TestDatabase::migrated(environment).await;
    let broker = TestBroker::take(&environment.amqp_url, &environment.management_url).await;
    let function = "CREATE FUNCTION orders.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$";
    test.execute(function).await;
    test.execute("CREATE TRIGGER hold_up BEFORE DELETE ON orders.outbox EXECUTE FUNCTION orders.hold_up()").await;
    let lock = test.lock("SELECT pg_advisory_xact_lock(7)").await;
    let flags = Flags::parse_from(["x", "--database-url", test.url(), "--amqp-url", broker.url()]);
    let (database, shutdown) = (Database::connect_lazy(&flags.database).unwrap(), Shutdown::default());
    let outbox = Outbox { schema: Schema("orders"), source: "/order-service" };
    shutdown.spawn(relay::run(database, Broker::new(&flags.broker).unwrap(), outbox, shutdown.token()));
    let commit =
        async || test.execute("INSERT INTO orders.outbox (event_type, body) VALUES ('order.created', '{}')").await;
    commit().await;
    // The relay has published it, and cannot delete its row.
    test.somebody_waits().await;
    commit().await;
    tokio::join!(shutdown.finish(Duration::from_secs(10)), async { lock.rollback().await.unwrap() });
    assert_eq!(test.number("SELECT COUNT(*) FROM orders.outbox").await, 0);
}
