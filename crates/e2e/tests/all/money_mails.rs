//! What customers are told of their money: that they paid, that they did not, what they get back. Each once.

use e2e::broker::event;
use e2e::mail_server::MailServer;
use e2e::money::{TOTAL, cancel, deliver, order_by, pay, placed, placed_by, sandbox};
use e2e::notices::{reaches, told};
use e2e::poll;
use e2e::samples::{MOUSE, int, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use shared_types::topology::ORDER_MONEY_MAILS;
use uuid::Uuid;

async fn refund(shop: &Shop, payment: i64, amount: f64) -> Value {
    let body = json!({"amount": amount, "reason": "scratched"});
    shop.orders().post(&format!("/api/payments/{payment}/refunds"), body).await.is(200).json()
}

/// Waits until the consumer has dealt with everything published before.
async fn all_dealt_with(shop: &Shop) {
    let data = json!({"paymentId": 999_999, "orderId": 999_999, "reference": Uuid::now_v7(), "method": "CARD",
        "amount": 1, "currency": "INR"});
    let last = event("payment.captured", "x", data);
    shop.broker().publish("payment.captured", &last.to_string()).await;
    let seen = format!(
        "SELECT COUNT(*) FROM orders.inbox WHERE consumer = '{}' AND event_id = '{}'",
        ORDER_MONEY_MAILS.name,
        text(&last["id"])
    );
    poll::eventually("the consumer", async || poll::equal(shop.database.number(seen.as_str()).await, 1)).await;
}

#[tokio::test]
async fn a_customer_is_told_of_a_decline_a_payment_and_a_refund_once() {
    let (server, sandbox) = (MailServer::start().await, sandbox().await);
    let shop = Shop::plan().mail(&server).paid_by(&sandbox).open().await;
    let mut tap = shop.broker().tap().await;
    let (order, payment) = placed(&shop).await;
    pay(&shop, order, "pm_card_chargeDeclined").await.is(200);
    pay(&shop, order, "pm_card_visa").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    refund(&shop, payment, 9.98).await;
    for (kind, amount) in [("payment-failed", TOTAL), ("order-paid", TOTAL), ("order-refunded", "9.98")] {
        let row = reaches(&shop, order, (kind, "EMAIL"), "SENT").await;
        let mails = server.received();
        let mail = mails.iter().find(|mail| mail.message_id().contains(text(&row["providerId"]))).unwrap();
        assert!(mail.subject().contains("ORD-"), "{kind}: {}", mail.subject());
        for part in [format!("{amount} INR"), "Ada Lovelace".to_owned(), "Wireless Mouse".to_owned()] {
            assert!(mail.text().contains(&part) && mail.html().contains(&part), "{kind}: {part} in {}", mail.text());
        }
    }
    // By mail and by SMS: placed, declined, paid, confirmed, refunded.
    told(&shop, order, 10).await;
    let events = ["payment.failed", "payment.captured", "refund.succeeded"];
    for forgotten in [false, true] {
        if forgotten {
            shop.database.execute("DELETE FROM orders.inbox").await;
        }
        for routing_key in events {
            let original = tap.heard(routing_key, 1).await.remove(0);
            for _ in 0..3 {
                shop.broker().publish(routing_key, &original.body).await;
            }
        }
        all_dealt_with(&shop).await;
        assert_eq!(told(&shop, order, 10).await.len(), 10);
    }
    assert!(shop.orders().dead_letters("", 0).await.is_empty());
    // What is told of money is erased with all that is told of the order.
    shop.orders().delete("/api/notifications?customerEmail=ada@example.com").await.is(200);
    let kept = "SELECT COUNT(*) FROM orders.notifications WHERE erased_at IS NULL OR data IS NOT NULL";
    poll::equal(shop.database.number(kept).await, 0).unwrap();
}

#[tokio::test]
async fn a_refund_that_fails_after_all_is_told_of() {
    let (server, sandbox) = (MailServer::start().await, sandbox().await);
    let shop = Shop::plan().mail(&server).paid_by(&sandbox).open().await;
    let (order, payment) = placed(&shop).await;
    pay(&shop, order, "pm_card_refundFail").await.is(200);
    shop.order_becomes(order, "CONFIRMED").await;
    refund(&shop, payment, 9.98).await;
    reaches(&shop, order, ("order-refunded", "EMAIL"), "SENT").await;
    sandbox.happened();
    let given_back = sandbox.stripe().all_refunds().remove(0);
    sandbox.stripe().refund_settles(&given_back.id).unwrap();
    deliver(&shop, &sandbox.happened()).await;
    let row = reaches(&shop, order, ("refund-failed", "EMAIL"), "SENT").await;
    let shown = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
    assert!(text(&shown["text"]).contains("our refund of 9.98 INR"), "{shown}");
}

#[tokio::test]
async fn who_paid_at_the_door_is_told_of_no_payment_but_of_what_goes_back() {
    let shop = Shop::open().await;
    let (order, payment) = placed_by(&shop, "CASH_ON_DELIVERY").await;
    shop.order_becomes(order, "CONFIRMED").await;
    shop.orders().post(&format!("/api/payments/{payment}/collect"), json!({})).await.is(200);
    refund(&shop, payment, 9.98).await;
    all_dealt_with(&shop).await;
    let found = told(&shop, order, 6).await;
    let mails: Vec<&str> = found.iter().filter(|row| row["channel"] == "EMAIL").map(|row| text(&row["kind"])).collect();
    assert_eq!(mails, ["order-placed", "order-confirmed", "order-refunded"]);
    assert!(found.iter().all(|row| int(&row["orderId"]) == order), "{found:?}");
    let row = reaches(&shop, order, ("order-refunded", "EMAIL"), "SKIPPED").await;
    let shown = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
    let refunded = text(&shown["text"]);
    assert!(refunded.contains("9.98 INR of the total of 59.98 INR") && !refunded.contains("bank"), "{refunded}");
}

/// The text of a mail about the order that no mail server took.
async fn mail(shop: &Shop, order: i64, kind: &str) -> String {
    let row = reaches(shop, order, (kind, "EMAIL"), "SKIPPED").await;
    let shown = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
    text(&shown["text"]).to_owned()
}

#[tokio::test]
async fn who_has_to_pay_first_is_told_how_much_and_until_when() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let mut tap = shop.broker().tap().await;
    let order = int(&shop.orders().post("/api/orders", order_by("CARD")).await.is(201).json()["id"]);
    let without = int(&shop.place(&[(MOUSE, 2)]).await["id"]);
    let created = tap.heard("order.created", 2).await;
    let payment = |id: i64| created.iter().map(|it| it.event()["data"].clone()).find(|it| it["orderId"] == id).unwrap();
    let (due, none) = (payment(order)["payment"].clone(), payment(without));
    let shown = shop.orders().get(&format!("/api/orders/{order}")).await.is(200).json();
    let pay_by = text(&shown["payment"]["payBy"]);
    let told = json!({"status": "DUE", "method": "CARD", "amount": 59.98, "currency": "INR", "payBy": pay_by});
    assert_eq!((due, none.get("payment")), (told, None));
    let placed = mail(&shop, order, "order-placed").await;
    let until = format!("{} {} UTC", &pay_by[..10], &pay_by[11..16]);
    assert!(placed.contains(&format!("Please pay 59.98 INR by {until}")), "{placed}");
    assert!(!mail(&shop, without, "order-placed").await.contains("pay"), "it asks for no payment");
}

#[tokio::test]
async fn who_has_paid_is_told_with_the_cancellation_that_it_goes_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (unpaid, _) = placed(&shop).await;
    let (paid, _) = placed(&shop).await;
    let (collected, at_the_door) = placed_by(&shop, "CASH_ON_DELIVERY").await;
    pay(&shop, paid, "pm_card_visa").await.is(200);
    for order in [paid, collected] {
        shop.order_becomes(order, "CONFIRMED").await;
    }
    shop.orders().post(&format!("/api/payments/{at_the_door}/collect"), json!({})).await.is(200);
    for order in [unpaid, paid, collected] {
        cancel(&shop, order).await;
    }
    let cancelled = mail(&shop, paid, "order-cancelled").await;
    assert!(cancelled.contains("What you paid goes back to you"), "{cancelled}");
    let cancelled = mail(&shop, collected, "order-cancelled").await;
    assert!(cancelled.contains("We hand back to you what you paid"), "{cancelled}");
    let cancelled = mail(&shop, unpaid, "order-cancelled").await;
    assert!(!cancelled.contains("you paid"), "{cancelled}");
}
