//! From an order to the mail that arrives, and what becomes of it when the mail server fails.

use e2e::mail_server::{Fault, MailServer};
use e2e::notices::{circuit, error, of_order, reaches};
use e2e::poll::{equal, eventually};
use e2e::samples::{self, HEADSET, LAPTOP, MOUSE, int, order_of, text};
use e2e::shop::{OPERATIONS, Plan, Shop};
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const PLACED: (&str, &str) = ("order-placed", "EMAIL");
const CONFIRMED: (&str, &str) = ("order-confirmed", "EMAIL");

/// Message that fail are tried again after a tenth of a second, twice.
fn plan(server: &MailServer) -> Plan {
    Shop::plan().mail(server).order_variable("RETRY_DELAYS_MS", "100,100")
}

async fn place(shop: &Shop, email: &str) -> i64 {
    let order = shop.orders().post("/api/orders", order_of(email, &[(MOUSE, 1)])).await.is(201).json();
    int(&order["id"])
}

#[tokio::test]
async fn every_step_of_an_order_is_told_by_mail() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let placed = shop.place(&[(LAPTOP, 1), (MOUSE, 3)]).await;
    let (order, number) = (int(&placed["id"]), text(&placed["orderNumber"]));
    reaches(&shop, order, CONFIRMED, "SENT").await;
    for status in ["SHIPPED", "DELIVERED"] {
        shop.orders().put(&format!("/api/orders/{order}/status"), json!({"status": status})).await.is(200);
    }
    let kinds = ["order-placed", "order-confirmed", "order-shipped", "order-delivered"];
    for kind in kinds {
        let row = reaches(&shop, order, (kind, "EMAIL"), "SENT").await;
        assert_eq!((int(&row["attempts"]), text(&row["recipient"])), (1, "ada@example.com"), "{row}");
        // What the log shows is what arrived.
        let mails = server.received();
        let mail = mails.iter().find(|mail| mail.message_id().contains(text(&row["providerId"]))).unwrap();
        assert_eq!(mail.to, ["ada@example.com"]);
        let single = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
        assert_eq!((text(&single["subject"]), text(&single["text"])), (mail.subject().as_str(), mail.text().as_str()));
        for part in [number, "Ada Lovelace", "2499.99", "29.99", "2589.96", "Kafka & Sons"] {
            assert!(mail.text().contains(part), "{kind}: {part} in {}", mail.text());
        }
        assert!(mail.html().contains("12 St James&#x27;s Square") && mail.html().contains(number), "{kind}");
    }
    assert_eq!(server.count(), kinds.len());
    let ids: HashSet<String> = server.received().iter().map(|mail| mail.message_id()).collect();
    assert_eq!(ids.len(), kinds.len(), "each has an id of its own");
    let log = shop.order_services[0].log();
    assert!(!log.contains("ada@example.com") && !log.contains("Lovelace"), "the log names nobody");
}

#[tokio::test]
async fn a_cancellation_tells_why_and_the_shop_hears_of_its_stock() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let order = int(&shop.place(&[(MOUSE, 195)]).await["id"]);
    shop.order_becomes(order, "CONFIRMED").await;
    let reason = json!({"reason": "the <b>cat</b> ordered it"});
    shop.orders().post(&format!("/api/orders/{order}/cancel"), reason).await.is(200);
    reaches(&shop, order, ("order-cancelled", "EMAIL"), "SENT").await;
    let told = eventually("both mails to the shop", async || {
        let mails = server.received();
        let told: Vec<String> =
            mails.iter().filter(|mail| mail.to == [OPERATIONS]).map(|mail| mail.subject()).collect();
        if told.len() == 2 { Ok(told) } else { Err(format!("{told:?}")) }
    })
    .await;
    assert_eq!(
        HashSet::from_iter(told),
        HashSet::from(["Stock low: MOUSE-001", "Stock back: MOUSE-001"].map(str::to_owned))
    );
    let mails = server.received();
    let cancelled = mails.iter().find(|mail| mail.subject().contains("cancelled")).unwrap();
    assert!(cancelled.text().contains("the <b>cat</b> ordered it"), "{}", cancelled.text());
    assert!(cancelled.html().contains("the &lt;b&gt;cat&lt;&#x2f;b&gt; ordered it"), "{}", cancelled.html());
}

#[tokio::test]
async fn a_wrong_address_fails_that_message_alone() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    server.refuse("nobody@example.com", 550);
    let (wrong, right) = (place(&shop, "nobody@example.com").await, place(&shop, "ada@example.com").await);
    let failed = reaches(&shop, wrong, PLACED, "FAILED").await;
    assert_eq!(int(&failed["attempts"]), 1, "at once: {failed}");
    assert!(error(&failed).contains("550"), "{failed}");
    reaches(&shop, right, PLACED, "SENT").await;
    reaches(&shop, right, CONFIRMED, "SENT").await;
    assert_eq!(circuit(&shop, "mail-server").await, "CLOSED");
    assert!(!shop.order_services[0].log().contains("nobody@example.com"), "the log names nobody");
}

#[tokio::test]
async fn a_message_that_is_put_off_is_tried_again_and_then_given_up() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    server.refuse("full@example.com", 452);
    let order = place(&shop, "full@example.com").await;
    let failed = reaches(&shop, order, PLACED, "FAILED").await;
    assert_eq!(int(&failed["attempts"]), 3, "once and after each delay: {failed}");
    assert!(error(&failed).contains("452"), "{failed}");
    reaches(&shop, order, CONFIRMED, "FAILED").await;
    // Greylisting: taken at the second attempt.
    server.set_fault(Some(Fault::Recipient(451)));
    let asked = server.recipients();
    let order = place(&shop, "ada@example.com").await;
    eventually("the first attempt", async || if server.recipients() > asked { Ok(()) } else { Err("none".to_owned()) })
        .await;
    server.set_fault(None);
    let sent = reaches(&shop, order, PLACED, "SENT").await;
    assert!(int(&sent["attempts"]) <= 3, "{sent}");
}

#[tokio::test]
async fn a_mail_server_that_is_away_costs_no_attempts_and_gets_each_mail_once_when_it_is_back() {
    let mut server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let first = place(&shop, "ada@example.com").await;
    reaches(&shop, first, CONFIRMED, "SENT").await;
    server.stop();
    let mut orders = Vec::new();
    for _ in 0..10 {
        orders.push(place(&shop, "ada@example.com").await);
    }
    eventually("the circuit to open", async || match circuit(&shop, "mail-server").await {
        state if state != "CLOSED" => Ok(()),
        state => Err(state),
    })
    .await;
    assert_eq!(shop.orders().get("/health/ready").await.is(200).json()["status"], "DEGRADED");
    for &order in &orders {
        shop.order_becomes(order, "CONFIRMED").await;
        for row in of_order(&shop, order).await.iter().filter(|row| row["channel"] == "EMAIL") {
            assert_eq!((text(&row["status"]), int(&row["attempts"])), ("QUEUED", 0), "{row}");
        }
    }
    server.come_back().await;
    for &order in &orders {
        for message in [PLACED, CONFIRMED] {
            assert_eq!(reaches(&shop, order, message, "SENT").await["attempts"], 1);
        }
    }
    assert_eq!(server.count(), 22, "each once");
    eventually("the circuit to close", async || equal(circuit(&shop, "mail-server").await, "CLOSED".to_owned())).await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_slows_no_order_down() {
    let server = MailServer::start().await;
    server.set_fault(Some(Fault::Silence));
    let shop = plan(&server).open().await;
    let mut slowest = Duration::ZERO;
    let mut last = 0;
    for _ in 0..30 {
        let started = Instant::now();
        last = place(&shop, "ada@example.com").await;
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_millis(900), "an order took {slowest:?}, the mail server gets a second");
    shop.order_becomes(last, "CONFIRMED").await;
    server.set_fault(None);
    reaches(&shop, last, CONFIRMED, "SENT").await;
    let mails = server.receives(60).await;
    let ids: HashSet<String> = mails.iter().map(|mail| mail.message_id()).collect();
    assert_eq!((mails.len(), ids.len()), (60, 60), "each once");
}

#[tokio::test]
async fn a_server_that_asks_for_peace_gets_it() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    server.set_fault(Some(Fault::Greeting(421)));
    let order = place(&shop, "ada@example.com").await;
    eventually("the circuit to open", async || match circuit(&shop, "mail-server").await {
        state if state != "CLOSED" => Ok(()),
        state => Err(state),
    })
    .await;
    server.set_fault(None);
    assert_eq!(reaches(&shop, order, PLACED, "SENT").await["attempts"], 1, "what is nobody's fault costs no attempt");
}

#[tokio::test]
async fn a_mail_whose_fate_is_open_comes_again_under_the_same_id() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    for fault in [Fault::HangUpAfterText(true), Fault::SilenceAfterText(true)] {
        server.set_fault(Some(fault));
        let before = server.count();
        let order = place(&shop, "ada@example.com").await;
        let first = server.receives(before + 1).await[before].message_id();
        server.set_fault(None);
        let sent = reaches(&shop, order, PLACED, "SENT").await;
        assert!(int(&sent["attempts"]) >= 2, "{fault:?}: {sent}");
        reaches(&shop, order, CONFIRMED, "SENT").await;
        let again = server.received().iter().filter(|mail| mail.message_id() == first).count();
        assert!(again >= 2, "{fault:?}: a mail program can tell that both are one");
    }
}

#[tokio::test]
async fn hostile_names_reach_the_mail_as_text() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let names = ["<script>alert(1)</script>", "Ada 👩‍🚀🎉", "\"Ada\" <eve@example.com>, Eve"];
    for name in names {
        let mut body = samples::order(&[(HEADSET, 1)]);
        body["customerName"] = json!(name);
        let order = shop.orders().post("/api/orders", body).await.is(201).json();
        reaches(&shop, int(&order["id"]), PLACED, "SENT").await;
        let mails = server.received();
        let mail = mails.iter().find(|mail| mail.subject().contains(text(&order["orderNumber"]))).unwrap();
        assert_eq!(mail.to, ["ada@example.com"], "{name}");
        assert!(mail.text().contains(name), "{name}: {}", mail.text());
        assert!(!mail.html().contains("<script"), "{name}");
        assert_eq!(mail.header("Bcc"), "");
    }
}

#[tokio::test]
async fn what_waited_goes_out_over_few_connections() {
    const ORDERS: usize = 500;
    let mut server = MailServer::start().await;
    let shop = plan(&server).open().await;
    server.stop();
    let plenty = samples::product("CABLE-001", "19.90", 10_000);
    let product = int(&shop.inventory().post("/api/inventory/products", plenty).await.is(201).json()["id"]);
    let mut last = 0;
    for _ in 0..ORDERS {
        last = int(&shop.place(&[(product, 1)]).await["id"]);
    }
    shop.order_becomes(last, "CONFIRMED").await;
    server.come_back().await;
    let mails = 2 * ORDERS;
    server.receives(mails).await;
    assert!((2..=8).contains(&server.most_open()), "{} connections", server.most_open());
}
