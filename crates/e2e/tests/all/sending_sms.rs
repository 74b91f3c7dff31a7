//! From an order to the SMS, and what becomes of it when Brevo refuses, fails or wants to be left alone.

use e2e::brevo::{Answer, Brevo};
use e2e::notices::{circuit, error, of_order, reaches};
use e2e::poll::{equal, eventually};
use e2e::samples::{self, MOUSE, int, text};
use e2e::shop::{BREVO_KEY, Plan, Shop};
use serde_json::json;
use std::time::{Duration, Instant};

const PLACED: (&str, &str) = ("order-placed", "SMS");
const CONFIRMED: (&str, &str) = ("order-confirmed", "SMS");

fn plan(brevo: &Brevo) -> Plan {
    Shop::plan().sms(brevo).order_variable("RETRY_DELAYS_MS", "100,100")
}

async fn place(shop: &Shop) -> i64 {
    int(&shop.place(&[(MOUSE, 1)]).await["id"])
}

async fn place_with_phone(shop: &Shop, phone: &str) -> i64 {
    let mut body = samples::order(&[(MOUSE, 1)]);
    body["customerPhone"] = json!(phone);
    int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"])
}

#[tokio::test]
async fn every_step_of_an_order_is_told_by_sms() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).order_variable("BREVO_SMS_TAG", "orders").open().await;
    let order = place(&shop).await;
    reaches(&shop, order, CONFIRMED, "SENT").await;
    shop.orders().put(&format!("/api/orders/{order}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let taken = brevo.takes(3).await;
    brevo.assert_no_breach();
    for sms in &taken {
        assert_eq!(
            (&sms["recipient"], &sms["sender"], &sms["tag"]),
            (&json!("442079460000"), &json!("KafkaSons"), &json!("orders"))
        );
        assert!(
            text(&sms["content"]).contains("ORD-00000001") && text(&sms["content"]).chars().count() <= 160,
            "{sms}"
        );
    }
    let sent = reaches(&shop, order, ("order-shipped", "SMS"), "SENT").await;
    assert_eq!(text(&sent["recipient"]), "+442079460000", "in E.164");
    let ids: Vec<String> = taken.iter().map(|sms| sms["messageId"].to_string()).collect();
    assert!(ids.contains(&text(&sent["providerId"]).to_owned()), "{sent}");
    let log = shop.order_services[0].log();
    for number in ["+44", "7946 0000", "79460000"] {
        assert!(!log.contains(number), "the log names no number: {number}");
    }
    assert!(!log.contains(BREVO_KEY), "the log names no key");
}

#[tokio::test]
async fn a_number_that_is_none_fails_with_the_reason() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).open().await;
    let order = place_with_phone(&shop, "020 7946 0000").await;
    let failed = reaches(&shop, order, PLACED, "FAILED").await;
    assert!(failed.to_string().contains("country code"), "{failed}");
    assert_eq!(brevo.asked(), 0);
}

#[tokio::test]
async fn a_number_without_its_country_is_of_the_shops() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).order_variable("SMS_DEFAULT_COUNTRY", "GB").open().await;
    let order = place_with_phone(&shop, "020 7946 0000").await;
    reaches(&shop, order, PLACED, "SENT").await;
    assert_eq!(brevo.taken()[0]["recipient"], "442079460000");
}

#[tokio::test]
async fn an_sms_that_is_refused_fails_at_once_and_alone() {
    let brevo = Brevo::start(BREVO_KEY).await;
    brevo.answer(Answer::Refused(400, Vec::new(), "invalid_parameter"));
    let shop = plan(&brevo).open().await;
    let order = place(&shop).await;
    for message in [PLACED, CONFIRMED] {
        let failed = reaches(&shop, order, message, "FAILED").await;
        assert_eq!(int(&failed["attempts"]), 1, "{failed}");
        assert!(error(&failed).contains("invalid_parameter"), "{failed}");
    }
    brevo.answer(Answer::Taken);
    let order = place(&shop).await;
    reaches(&shop, order, PLACED, "SENT").await;
}

#[tokio::test]
async fn a_brevo_that_takes_nothing_costs_no_attempts() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).open().await;
    for (status, code) in [(401, "unauthorized"), (402, "not_enough_credits"), (500, "internal"), (503, "maintenance")]
    {
        brevo.answer(Answer::Refused(status, Vec::new(), code));
        let order = place(&shop).await;
        eventually("the circuit to open", async || match circuit(&shop, "sms-gateway").await {
            state if state != "CLOSED" => Ok(()),
            state => Err(state),
        })
        .await;
        shop.order_becomes(order, "CONFIRMED").await;
        for row in of_order(&shop, order).await.iter().filter(|row| row["channel"] == "SMS") {
            assert_eq!((text(&row["status"]), int(&row["attempts"])), ("QUEUED", 0), "{status}: {row}");
        }
        brevo.answer(Answer::Taken);
        for message in [PLACED, CONFIRMED] {
            assert_eq!(reaches(&shop, order, message, "SENT").await["attempts"], 1, "{status}");
        }
        eventually("the circuit to close", async || equal(circuit(&shop, "sms-gateway").await, "CLOSED".to_owned()))
            .await;
    }
    assert_eq!(brevo.taken().len(), 8, "each once");
}

#[tokio::test]
async fn a_brevo_that_wants_to_be_left_alone_is() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).open().await;
    brevo.answer(Answer::Refused(429, vec![("retry-after", "3".to_owned())], "too_many_requests"));
    let order = place(&shop).await;
    eventually("the refusal", async || if brevo.asked() > 0 { Ok(()) } else { Err("not asked".to_owned()) }).await;
    let refused = Instant::now();
    brevo.answer(Answer::Taken);
    shop.order_becomes(order, "CONFIRMED").await;
    for message in [PLACED, CONFIRMED] {
        assert_eq!(reaches(&shop, order, message, "SENT").await["attempts"], 1);
    }
    assert!(refused.elapsed() > Duration::from_millis(2500), "asked again after {:?}", refused.elapsed());
    assert!(brevo.asked() <= 2 + 4, "at most what was under way was refused: {}", brevo.asked());
}

#[tokio::test]
async fn a_brevo_that_does_not_answer_uses_up_attempts_and_slows_no_order_down() {
    let brevo = Brevo::start(BREVO_KEY).await;
    brevo.answer(Answer::Silence);
    let shop = plan(&brevo).open().await;
    let started = Instant::now();
    let order = place(&shop).await;
    assert!(started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    let failed = reaches(&shop, order, PLACED, "FAILED").await;
    assert_eq!(int(&failed["attempts"]), 3, "whether Brevo took it is open each time: {failed}");
}

#[tokio::test]
async fn an_sms_that_may_have_been_passed_on_is_tried_no_more_often_than_one_without_an_answer() {
    let brevo = Brevo::start(BREVO_KEY).await;
    let shop = plan(&brevo).open().await;
    for status in [502, 504] {
        brevo.answer(Answer::Refused(status, Vec::new(), "gateway"));
        let order = place(&shop).await;
        let failed = reaches(&shop, order, PLACED, "FAILED").await;
        assert_eq!(int(&failed["attempts"]), 3, "{status}: {failed}");
    }
}
