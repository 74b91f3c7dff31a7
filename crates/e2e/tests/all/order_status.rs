//! The life of an order by hand: read, moved on, called off, and its timeline.

use e2e::samples::{HEADSET, LAPTOP, int, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

async fn without_messages() -> Shop {
    Shop::plan().without_broker().open().await
}

async fn place(shop: &Shop) -> i64 {
    int(&shop.place(&[(LAPTOP, 1)]).await["id"])
}

fn path(id: i64, call: &str) -> String {
    format!("/api/orders/{id}{call}")
}

fn to(status: &str) -> Value {
    json!({"status": status})
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    let found = shop.orders().get(&path(id, "")).await.is(200);
    let etag = found.header("etag");
    let known = shop.orders().get(&path(id, "")).header("if-none-match", etag).await.is(304);
    assert_eq!((known.text.as_str(), known.header("etag")), ("", etag));
    shop.orders().put(&path(id, "/status"), to("CONFIRMED")).await.is(200);
    let changed = shop.orders().get(&path(id, "")).header("if-none-match", etag).await.is(200);
    assert_ne!(changed.header("etag"), etag);
    shop.orders().get(&path(999, "")).await.problem(404, "not-found");
    shop.orders().get("/api/orders/seven").await.problem(400, "invalid-path");
}

#[tokio::test]
async fn an_order_moves_on_with_put_and_patch() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    let confirmed = shop.orders().put(&path(id, "/status"), to("CONFIRMED")).await.is(200);
    assert_eq!(confirmed.json()["status"], "CONFIRMED");
    let shipped = shop.orders().patch(&path(id, "/status"), to("shipped")).await.is(200);
    assert_eq!(shipped.json()["status"], "SHIPPED");
    assert_ne!(shipped.header("etag"), confirmed.header("etag"));
    assert!(shipped.json()["updatedAt"].as_str() > confirmed.json()["updatedAt"].as_str());
    let delivered = shop.orders().put(&path(id, "/status"), to("DELIVERED")).await.is(200);
    assert_eq!(shop.orders().get(&path(id, "")).await.is(200).text, delivered.text);
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED"]);
    shop.assert_histories().await;
}

#[tokio::test]
async fn the_same_status_again_changes_nothing() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    for (status, timeline) in [("PENDING", 1), ("SHIPPED", 2), ("SHIPPED", 2)] {
        shop.orders().put(&path(id, "/status"), to(status)).await.is(200);
        assert_eq!(shop.timeline(id).await.len(), timeline);
    }
    let before = shop.orders().get(&path(id, "")).await.is(200);
    let events = "SELECT COUNT(*) FROM orders.outbox";
    let (had, again) = (shop.database.number(events).await, to("SHIPPED"));
    let answer = shop.orders().patch(&path(id, "/status"), again).await.is(200);
    assert_eq!((&answer.text, answer.header("etag")), (&before.text, before.header("etag")));
    assert_eq!(shop.database.number(events).await, had);
}

#[tokio::test]
async fn what_the_life_of_an_order_does_not_allow_is_refused() {
    let shop = without_messages().await;
    let allowed =
        [("PENDING", "CONFIRMED"), ("PENDING", "SHIPPED"), ("PENDING", "DELIVERED"), ("PENDING", "CANCELLED")];
    let allowed = allowed.into_iter().chain([("CONFIRMED", "SHIPPED"), ("CONFIRMED", "DELIVERED")]);
    let allowed: Vec<_> = allowed.chain([("CONFIRMED", "CANCELLED"), ("SHIPPED", "DELIVERED")]).collect();
    let all = ["PENDING", "CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED"];
    for from in all {
        for next in all.into_iter().filter(|next| *next != from) {
            let id = place(&shop).await;
            shop.orders().put(&path(id, "/status"), to(from)).await.is(200);
            let answer = shop.orders().put(&path(id, "/status"), to(next)).await;
            if allowed.contains(&(from, next)) {
                assert_eq!(answer.is(200).json()["status"], next, "{from} to {next}");
            } else {
                let problem = answer.problem(409, "invalid-transition");
                let detail = text(&problem["detail"]);
                assert!(detail.contains(from) && detail.contains(next), "{detail}");
                assert_eq!(shop.orders().get(&path(id, "")).await.is(200).json()["status"], from);
            }
        }
    }
    shop.assert_histories().await;
}

#[tokio::test]
async fn a_bad_status_is_refused() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    for body in [json!({}), to("LOST"), to(""), json!({"status": null}), json!({"status": 3})] {
        let refused = shop.orders().put(&path(id, "/status"), body.clone()).await;
        assert_eq!(refused.fields_at_fault(), ["status"], "{body}");
    }
    shop.orders().put(&path(999, "/status"), to("SHIPPED")).await.problem(404, "not-found");
    shop.orders().patch(&path(999, "/status"), to("SHIPPED")).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_outdated_version_changes_nothing() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    let etag = shop.orders().get(&path(id, "")).await.is(200).header("etag").to_owned();
    shop.orders().put(&path(id, "/status"), to("CONFIRMED")).header("if-match", &etag).await.is(200);
    let stale = shop.orders().put(&path(id, "/status"), to("SHIPPED")).header("if-match", &etag).await;
    stale.problem(412, "precondition-failed");
    let cancel = shop.orders().post(&path(id, "/cancel"), json!({})).header("if-match", &etag).await;
    cancel.problem(412, "precondition-failed");
    assert_eq!(shop.timeline(id).await, ["PENDING", "CONFIRMED"]);
    shop.orders().put(&path(id, "/status"), to("SHIPPED")).header("if-match", "*").await.is(200);
}

#[tokio::test]
async fn an_order_is_called_off_before_it_is_shipped() {
    let shop = without_messages().await;
    let id = place(&shop).await;
    let reason = json!({"reason": "ordered by mistake"});
    let cancelled = shop.orders().post(&path(id, "/cancel"), reason).await.is(200);
    assert_eq!(cancelled.json()["status"], "CANCELLED");
    let again = shop.orders().post(&path(id, "/cancel"), json!({})).await.is(200);
    assert_eq!((&again.text, again.header("etag")), (&cancelled.text, cancelled.header("etag")));
    let timeline = shop.orders().get(&path(id, "/timeline")).await.is(200).array();
    assert_eq!(timeline.len(), 2);
    assert_eq!(timeline[1]["reason"], "ordered by mistake");
    assert_eq!(timeline[0]["reason"], Value::Null);

    let id = place(&shop).await;
    shop.orders().put(&path(id, "/status"), to("CONFIRMED")).await.is(200);
    let bare = shop.orders().call(reqwest::Method::POST, &path(id, "/cancel")).await.is(200);
    assert_eq!(bare.json()["status"], "CANCELLED", "the body may be left out");
}

#[tokio::test]
async fn customers_see_the_reason_and_operators_the_internal_note() {
    let shop = Shop::open().await;
    let mut tap = shop.broker().tap().await;
    let (called_off, shipped) = (place(&shop).await, place(&shop).await);
    let why = json!({"reason": "Out of season,\r\nsorry", "internalNote": "card stolen, do not tell"});
    let cancelled = shop.orders().post(&path(called_off, "/cancel"), why.clone()).key("off").await.is(200);
    let again = shop.orders().post(&path(called_off, "/cancel"), why).key("off").await.is(200);
    assert_eq!(again.text, cancelled.text);
    for (status, note) in [("SHIPPED", "by van"), ("DELIVERED", "at the gate")] {
        let body = json!({"status": status, "reason": format!("It is {status}"), "internalNote": note});
        shop.orders().put(&path(shipped, "/status"), body).await.is(200);
    }
    let timeline = async |id: i64| shop.orders().get(&path(id, "/timeline")).await.is(200).array();
    let last = timeline(called_off).await.pop().unwrap();
    let seen = (text(&last["reason"]), text(&last["internalNote"]));
    assert_eq!(seen, ("Out of season,\nsorry", "card stolen, do not tell"));
    let last = timeline(shipped).await.pop().unwrap();
    assert_eq!((text(&last["reason"]), text(&last["internalNote"])), ("It is DELIVERED", "at the gate"));
    let told = tap.heard("order.cancelled", 1).await.remove(0);
    assert_eq!(told.event()["data"]["reason"], "Out of season,\nsorry");
    assert_eq!(tap.heard("order.delivered", 1).await[0].event()["data"]["reason"], "It is DELIVERED");
    for event in tap.all() {
        assert!(
            !["card stolen", "by van", "at the gate"].iter().any(|note| event.body.contains(note)),
            "{}",
            event.body
        );
    }
    let order = shop.orders().get(&path(called_off, "")).await.is(200).text;
    assert!(!order.contains("card stolen"), "{order}");
    let long = json!({"status": "LOST", "reason": "x".repeat(501), "internalNote": "x".repeat(501)});
    let refused = shop.orders().put(&path(shipped, "/status"), long).await;
    assert_eq!(refused.fields_at_fault(), ["internalNote", "reason", "status"]);
}

#[tokio::test]
async fn an_order_that_is_shipped_is_not_called_off() {
    let shop = without_messages().await;
    for status in ["SHIPPED", "DELIVERED"] {
        let id = place(&shop).await;
        shop.orders().put(&path(id, "/status"), to(status)).await.is(200);
        let refused = shop.orders().post(&path(id, "/cancel"), json!({})).await;
        refused.problem(409, "invalid-transition");
        assert_eq!(shop.timeline(id).await, ["PENDING", status]);
    }
    let id = place(&shop).await;
    shop.orders().post(&path(999, "/cancel"), json!({})).await.problem(404, "not-found");
    let long = shop.orders().post(&path(id, "/cancel"), json!({"reason": "x".repeat(5000)})).await;
    assert_eq!(long.fields_at_fault(), ["reason"]);
}

#[tokio::test]
async fn the_timeline_says_when_and_who() {
    let shop = without_messages().await;
    let id = int(&shop.place(&[(HEADSET, 1)]).await["id"]);
    shop.orders().put(&path(id, "/status"), to("SHIPPED")).await.is(200);
    let timeline = shop.orders().get(&path(id, "/timeline")).await.is(200).array();
    assert_eq!(timeline.len(), 2);
    for entry in &timeline {
        assert!(!text(&entry["actor"]).is_empty(), "{entry}");
    }
    assert!(text(&timeline[0]["at"]) < text(&timeline[1]["at"]), "oldest first");
    shop.orders().get(&path(999, "/timeline")).await.problem(404, "not-found");
}
