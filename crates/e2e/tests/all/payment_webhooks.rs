//! What providers tell, in whatever order and however often, forged or not at all: a payment is looked at because of it, and
//! nothing else of it counts.

use e2e::client::Response;
use e2e::money::{
    TOTAL, amounts, announced, becomes, books_are_equal, cancel, confirm, deliver, findings, nobody_is_at_work,
    operations, pay, payment, placed, placed_by, refund, sandbox, tell,
};
use e2e::poll;
use e2e::samples::text;
use e2e::shop::{STRIPE_WEBHOOK, Shop};
use payment_sandbox::{Fault, Happened, Sandbox};
use serde_json::json;

/// A payment of which its customer has paid on a page, and what has happened at the provider; nobody here was told.
async fn paid_there(shop: &Shop, sandbox: &Sandbox) -> (i64, i64, Vec<Happened>) {
    let (order, id) = placed(shop).await;
    let intent = announced(shop, id).await;
    sandbox.happened();
    sandbox.stripe().pays(&intent, "pm_card_chargeDeclined").unwrap_err();
    sandbox.stripe().pays(&intent, "pm_card_visa").unwrap();
    (order, id, sandbox.happened())
}

async fn signed(shop: &Shop, one: &Happened, secret: &str) -> Response {
    tell(shop, one, secret, payment_sandbox::now()).await
}

#[tokio::test]
async fn an_event_counts_once_and_an_old_one_takes_nothing_back() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, mut happened) = paid_there(&shop, &sandbox).await;
    let kinds: Vec<&str> = happened.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["payment_intent.payment_failed", "payment_intent.succeeded"]);
    // Success first, the failure before it afterwards, and all of it three times.
    happened.reverse();
    assert_eq!(deliver(&shop, &happened).await, [true, true]);
    becomes(&shop, id, "CAPTURED").await;
    for _ in 0..2 {
        assert_eq!(deliver(&shop, &happened).await, [false, false], "heard before");
    }
    // An old failure that comes for the first time.
    let late = Happened { id: "evt_late".to_owned(), ..happened[1].clone() };
    let late = Happened { body: late.body.replace(&happened[1].id, "evt_late"), ..late };
    assert_eq!(deliver(&shop, &[late]).await, [true]);
    shop.order_becomes(order, "CONFIRMED").await;
    nobody_is_at_work(&shop).await;
    assert_eq!(amounts(&payment(&shop, id).await), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(shop.timeline(order).await, ["PENDING", "PAID", "CONFIRMED"]);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_not_signed_is_not_heard() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (_, id, happened) = paid_there(&shop, &sandbox).await;
    let success = &happened[1];
    signed(&shop, success, "whsec_other").await.problem(401, "unauthorized");
    let old = payment_sandbox::now() - 400;
    tell(&shop, success, STRIPE_WEBHOOK, old).await.problem(401, "unauthorized");
    let now = payment_sandbox::now();
    let headers = success.headers(STRIPE_WEBHOOK, now);
    let changed = Happened { body: success.body.replace("5998", "1"), ..success.clone() };
    assert_ne!(changed.body, success.body);
    let forged = shop.orders().call(reqwest::Method::POST, "/api/payments/webhooks/stripe");
    let forged = forged.header("stripe-signature", &headers[1].1).body("application/json", changed.body);
    forged.await.problem(401, "unauthorized");
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_events").await, 0);
    assert_eq!(payment(&shop, id).await["status"], "CREATED", "nobody looked");
    confirm(&shop, id, json!({})).await.is(200);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn the_secret_before_is_good_until_it_is_taken_away() {
    let sandbox = sandbox().await;
    let both = format!("whsec_new,{STRIPE_WEBHOOK}");
    let shop = Shop::plan().paid_by(&sandbox).order_variable("STRIPE_WEBHOOK_SECRETS", &both).open().await;
    let (_, id, happened) = paid_there(&shop, &sandbox).await;
    signed(&shop, &happened[0], "whsec_new").await.is(200);
    signed(&shop, &happened[1], STRIPE_WEBHOOK).await.is(200);
    becomes(&shop, id, "CAPTURED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_an_event_says_of_money_counts_for_nothing() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let intent = announced(&shop, id).await;
    let created = sandbox.happened().remove(0);
    let body = created.body.replace("requires_payment_method", "succeeded");
    let body = body.replace("\"amount_received\":0", "\"amount_received\":5998");
    assert_ne!(body, created.body);
    // Signed as it should be, and yet it is not what is.
    assert_eq!(deliver(&shop, &[Happened { body, ..created }]).await, [true]);
    let looked = format!("GET /v1/payment_intents/{intent}");
    poll::eventually("the payment to be looked at", async || {
        let looks = sandbox.called().into_iter().filter(|called| called.call == looked && called.status.is_some());
        if looks.count() > 1 { Ok(()) } else { Err("no look".to_owned()) }
    })
    .await;
    assert_eq!(amounts(&payment(&shop, id).await), "CREATED 0.00 0.00 0.00");
    assert_eq!(shop.timeline(order).await, ["PENDING"]);
    pay(&shop, order, "pm_card_visa").await.is(200);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_event_may_come_before_its_payment_has_a_name_here() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    sandbox.plan("POST /v1/payment_intents", Fault::HeldAfter);
    let opening = shop.orders().post(&format!("/api/payments/{id}/session"), json!({}));
    let opening = tokio::spawn(opening.attempt());
    poll::eventually("the call to be held", async || poll::equal(sandbox.held(), 1)).await;
    assert_eq!(payment(&shop, id).await["providerId"], json!(null));
    assert_eq!(deliver(&shop, &sandbox.happened()).await, [true], "it is known by our name of it");
    sandbox.release();
    opening.await.unwrap().unwrap().is(200);
    pay(&shop, order, "pm_card_visa").await.is(200);
    assert_eq!(sandbox.stripe().all_intents().len(), 1);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_payment_is_found_although_no_webhook_ever_comes() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id, _) = paid_there(&shop, &sandbox).await;
    shop.order_becomes(order, "CONFIRMED").await;
    assert_eq!(operations(&payment(&shop, id).await).len(), 2);
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_events").await, 0);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn events_about_nothing_here_are_taken_and_kept_by_name() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let body = json!({"id": "evt_1", "type": "customer.created", "livemode": false, "data": {"object":
        {"id": "cus_1", "object": "customer"}}});
    let (provider, kind) = (payment_sandbox::Provider::Stripe, "customer.created".to_owned());
    let event = Happened { provider, id: "evt_1".to_owned(), kind, body: body.to_string() };
    assert_eq!(text(&signed(&shop, &event, STRIPE_WEBHOOK).await.is(200).json()["looks"].to_string().into()), "false");
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_events").await, 1);
}

#[tokio::test]
async fn what_is_told_while_a_refund_waits_is_looked_at_with_it() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let paid = pay(&shop, order, "pm_card_visa").await.is(200).json();
    shop.order_becomes(order, "CONFIRMED").await;
    sandbox.plan("POST /v1/refunds", Fault::TooMany);
    refund(&shop, id, Some("9.98")).await.is(202);
    // Before it is sent somebody gives money back there, too.
    sandbox.happened();
    sandbox.stripe().refunds(text(&paid["providerId"]), Some(1000)).unwrap();
    deliver(&shop, &sandbox.happened()).await;
    nobody_is_at_work(&shop).await;
    let after = operations(&payment(&shop, id).await);
    for refund in ["REFUND 9.98 SUCCEEDED MANUAL", "REFUND 10.00 SUCCEEDED EXTERNAL"] {
        assert!(after.contains(&refund.to_owned()), "{after:?}");
    }
    cancel(&shop, order).await;
    becomes(&shop, id, "REFUNDED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_told_of_a_payment_whose_order_is_archived_is_left_to_people() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (_, id, happened) = paid_there(&shop, &sandbox).await;
    // Payments stay when the month of their orders is archived.
    shop.database.execute(format!("DELETE FROM orders.payments_at_work WHERE payment_id = {id}")).await;
    shop.database.execute(format!("UPDATE orders.payments SET order_id = -order_id WHERE id = {id}")).await;
    deliver(&shop, &happened).await;
    nobody_is_at_work(&shop).await;
    assert_eq!(findings(&shop).await, ["STATUS: something happened to it, and its order is archived"]);
}

#[tokio::test]
async fn a_dispute_is_written_down_once_for_people_and_moves_no_money() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (order, id) = placed(&shop).await;
    let paid = pay(&shop, order, "pm_card_visa").await.is(200).json();
    let (_, by_upi) = placed_by(&shop, "UPI").await;
    let there = sandbox.razorpay().pays(&announced(&shop, by_upi).await, "success@razorpay", "upi").unwrap();
    confirm(&shop, by_upi, json!({})).await.is(200);
    sandbox.happened();
    let of_card = sandbox.stripe().disputes(text(&paid["providerId"])).unwrap().id;
    let of_upi = sandbox.razorpay().disputes(&there.razorpay_payment_id).unwrap();
    let disputed = sandbox.happened();
    deliver(&shop, &disputed).await;
    // It goes on, as an event of another name that says the same of it.
    let later = |it: &Happened| {
        let id = format!("{}_later", it.id);
        Happened { body: it.body.replace(&it.id, &id).replace("dispute.created", "dispute.updated"), id, ..it.clone() }
    };
    deliver(&shop, &disputed.iter().map(later).collect::<Vec<_>>()).await;
    let found = shop.orders().get("/api/admin/payments/findings?open=true").await.is(200).array();
    let line = |it: &serde_json::Value| {
        format!("{} {} {} {} {}", it["kind"], it["provider"], it["objectId"], it["paymentId"], it["theirs"])
    };
    let of = |provider: &str, dispute: &str, id: i64| format!("\"DISPUTE\" \"{provider}\" \"{dispute}\" {id} {TOTAL}");
    let expected = [of("RAZORPAY", &of_upi, by_upi), of("STRIPE", &of_card, id)];
    assert_eq!(found.iter().map(line).collect::<Vec<_>>(), expected, "{found:?}");
    books_are_equal(&shop, &sandbox).await;
}
