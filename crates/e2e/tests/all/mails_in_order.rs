//! Mails about one order leave in the order of its events, also in a burst, after an outage of the mail server, and while
//! the first of them is put off.

use e2e::mail_server::{Fault, MailServer, Received};
use e2e::notices::{becomes, circuit, of_order, reaches};
use e2e::poll::{equal, eventually, within};
use e2e::samples::{MOUSE, int, order_of, text};
use e2e::shop::{Plan, Shop};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// What each step of an order is called in the subject of its mail.
const STEPS: [&str; 4] = ["We have your order", "is confirmed", "is on its way", "has arrived"];

fn plan(server: &MailServer) -> Plan {
    Shop::plan().mail(server)
}

async fn place(shop: &Shop, email: &str) -> i64 {
    let order = shop.orders().post("/api/orders", order_of(email, &[(MOUSE, 1)])).await.is(201).json();
    int(&order["id"])
}

async fn walk(shop: &Shop, order: i64) {
    shop.order_becomes(order, "CONFIRMED").await;
    for status in ["SHIPPED", "DELIVERED"] {
        shop.orders().put(&format!("/api/orders/{order}/status"), json!({"status": status})).await.is(200);
    }
}

/// The steps that each recipient was told, in the order in which the mails came.
fn told(received: &[Received]) -> HashMap<String, Vec<usize>> {
    let mut told: HashMap<String, Vec<usize>> = HashMap::new();
    for mail in received {
        let subject = mail.subject();
        let step = STEPS.iter().position(|step| subject.contains(step)).unwrap_or_else(|| panic!("{subject}"));
        told.entry(mail.to[0].clone()).or_default().push(step);
    }
    told
}

async fn all_sent(shop: &Shop, count: i64) {
    let sent = "SELECT COUNT(*) FROM orders.notifications WHERE channel = 'EMAIL' AND status = 'SENT'";
    within(Duration::from_secs(120), "every mail to be sent", async || equal(shop.database.number(sent).await, count))
        .await;
}

#[tokio::test]
async fn no_mail_overtakes_another_in_a_burst() {
    let server = MailServer::start().await;
    let shop = plan(&server).patient().open().await;
    let customers: Vec<String> = (0..30).map(|n| format!("ada{n}@example.com")).collect();
    let mut orders = Vec::new();
    for email in &customers {
        orders.push(place(&shop, email).await);
    }
    for order in orders {
        walk(&shop, order).await;
    }
    all_sent(&shop, 4 * 30).await;
    let told = told(&server.received());
    for email in customers {
        assert_eq!(told[&email], [0, 1, 2, 3], "{email}");
    }
}

/// Rows of 200 orders, those of later events first and due first.
async fn queue_backwards(shop: &Shop) {
    let kinds = "ARRAY['order-placed', 'order-confirmed', 'order-shipped', 'order-delivered']";
    let rows = format!(
        "INSERT INTO orders.notifications
                (event_id, about, order_id, kind, channel, recipient, customer_email, status, next_attempt_at, data)
         SELECT (lpad(to_hex(step), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n, n,
                ({kinds})[step], 'EMAIL', 'ada' || n || '@example.com', 'ada' || n || '@example.com', 'QUEUED',
                clock_timestamp() - step * INTERVAL '1 second',
                jsonb_build_object('orderId', n, 'reference', gen_random_uuid(), 'customerName', 'Ada')
         FROM generate_series(4, 1, -1) AS step CROSS JOIN generate_series(1, 200) AS n"
    );
    shop.database.execute(rows).await;
}

#[tokio::test]
async fn two_instances_keep_the_order_of_events_whatever_the_order_of_rows() {
    let server = MailServer::start().await;
    let shop = plan(&server).patient().pairs(2).open().await;
    queue_backwards(&shop).await;
    all_sent(&shop, 4 * 200).await;
    let told = told(&server.received());
    assert_eq!(told.len(), 200);
    assert!(told.values().all(|steps| *steps == [0, 1, 2, 3]), "{told:?}");
}

#[tokio::test]
async fn the_messages_of_an_order_are_listed_in_the_order_of_its_events() {
    let shop = Shop::open().await;
    queue_backwards(&shop).await;
    let listed: Vec<String> = of_order(&shop, 7).await.iter().map(|row| text(&row["kind"]).to_owned()).collect();
    assert_eq!(listed, ["order-placed", "order-confirmed", "order-shipped", "order-delivered"]);
}

#[tokio::test]
async fn mails_that_wait_for_one_that_is_put_off_are_out_of_the_way() {
    let server = MailServer::start().await;
    server.set_fault(Some(Fault::Recipient(451)));
    let shop = plan(&server).order_variable("RETRY_DELAYS_MS", "60000").open().await;
    queue_backwards(&shop).await;
    let due = "SELECT COUNT(*) FROM orders.notifications WHERE next_attempt_at < clock_timestamp() + INTERVAL '30 s'";
    eventually("the queue to have nothing that is due", async || equal(shop.database.number(due).await, 0)).await;
    let attempts = "SELECT SUM(attempts) FROM orders.notifications";
    assert_eq!(shop.database.number(attempts).await, 200, "the first of each order was attempted");
}

#[tokio::test]
async fn no_mail_overtakes_another_after_an_outage() {
    let mut server = MailServer::start().await;
    let shop = plan(&server).open().await;
    server.stop();
    for n in 0..10 {
        let order = place(&shop, &format!("ada{n}@example.com")).await;
        walk(&shop, order).await;
    }
    eventually("the circuit to open", async || match circuit(&shop, "mail-server").await {
        state if state != "CLOSED" => Ok(()),
        state => Err(state),
    })
    .await;
    server.come_back().await;
    all_sent(&shop, 4 * 10).await;
    let told = told(&server.received());
    assert_eq!(told.len(), 10);
    assert!(told.values().all(|steps| *steps == [0, 1, 2, 3]), "{told:?}");
}

#[tokio::test]
async fn mails_wait_for_an_earlier_one_that_is_put_off_and_only_those_of_its_order() {
    let server = MailServer::start().await;
    let shop = plan(&server).order_variable("RETRY_DELAYS_MS", "1000,1000").open().await;
    server.refuse_once("ada@example.com", 451);
    let first = place(&shop, "ada@example.com").await;
    walk(&shop, first).await;
    becomes(&shop, first, ("order-placed", "EMAIL"), "put off", |row| int(&row["attempts"]) == 1).await;
    let other = place(&shop, "grace@example.com").await;
    reaches(&shop, other, ("order-placed", "EMAIL"), "SENT").await;
    all_sent(&shop, 4 + 2).await;
    let told = told(&server.received());
    assert_eq!((&told["ada@example.com"][..], &told["grace@example.com"][..]), (&[0, 1, 2, 3][..], &[0, 1][..]));
    assert_eq!(shop.database.number("SELECT SUM(attempts) FROM orders.notifications WHERE channel = 'EMAIL'").await, 7);
}

#[tokio::test]
async fn mails_do_not_wait_for_an_earlier_one_that_failed() {
    let server = MailServer::start().await;
    let shop = plan(&server).order_variable("RETRY_DELAYS_MS", "10").open().await;
    server.refuse_once("ada@example.com", 550);
    let order = place(&shop, "ada@example.com").await;
    let failed = reaches(&shop, order, ("order-placed", "EMAIL"), "FAILED").await;
    assert!(text(&failed["lastError"]).contains("550"), "{failed}");
    reaches(&shop, order, ("order-confirmed", "EMAIL"), "SENT").await;
    // Sent again, it goes out although later ones have.
    let resend = format!("/api/notifications/{}/resend", failed["id"]);
    shop.orders().call("POST".parse().unwrap(), &resend).await.is(202);
    reaches(&shop, order, ("order-placed", "EMAIL"), "SENT").await;
}
