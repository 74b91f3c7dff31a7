//! The SMS gateway against a stand-in that holds every request against Brevo's published API.

use clap::Parser;
use e2e::brevo::{Answer, Brevo};
use order_service::config::Config;
use order_service::notifications::{PhoneNumber, SendError, SmsGateway, Taken};
use std::time::{Duration, Instant, SystemTime};

const KEY: &str = "xkeysib-secret";

fn gateway_at(url: &str, flags: &[&str]) -> SmsGateway {
    let usual =
        ["order-service", "--brevo-api-key", KEY, "--brevo-sms-sender", "MyShop", "--brevo-timeout-seconds", "1"];
    let config = Config::parse_from([&usual, &["--brevo-sms-url", url][..], flags].concat());
    SmsGateway::new(&config.notifications.sms).unwrap().unwrap()
}

fn number() -> PhoneNumber {
    PhoneNumber::parse("+44 7400 123456", None).unwrap()
}

async fn send(gateway: &SmsGateway) -> Result<Taken, SendError> {
    gateway.send(&number(), "Your order is on its way.").await
}

#[track_caller]
fn outcome(outcome: Result<Taken, SendError>) -> (&'static str, String, Option<Duration>) {
    let (kind, reason, retry_after) = match outcome.expect_err("a failure") {
        SendError::Refused(reason) => ("refused", reason, None),
        SendError::PutOff { reason, retry_after } => ("put off", reason, retry_after),
        SendError::Unavailable { reason, retry_after } => ("unavailable", reason, retry_after),
    };
    assert!(!reason.contains("7400") && !reason.contains(KEY), "{reason}");
    (kind, reason, retry_after)
}

#[tokio::test]
async fn an_sms_is_asked_for_as_brevo_has_published_it() {
    let brevo = Brevo::start(KEY).await;
    let taken = send(&gateway_at(&brevo.url(), &["--brevo-sms-tag", "orders"])).await.unwrap();
    brevo.assert_no_breach();
    let sms = &brevo.taken()[0];
    assert_eq!(taken.provider_id, Some(sms["messageId"].to_string()));
    assert_eq!(sms["recipient"], "447400123456");
    assert_eq!(sms["content"], "Your order is on its way.");
    assert_eq!(
        (&sms["sender"], &sms["type"], &sms["tag"]),
        (&"MyShop".into(), &"transactional".into(), &"orders".into())
    );
    assert_eq!(sms["unicodeEnabled"], false);
    gateway_at(&brevo.url(), &["--brevo-sms-type", "marketing"]).send(&number(), "Спасибо").await.unwrap();
    let sms = &brevo.taken()[1];
    assert_eq!((&sms["type"], &sms["unicodeEnabled"]), (&"marketing".into(), &true.into()));
    assert!(sms.get("tag").is_none());
    brevo.assert_no_breach();
}

#[tokio::test]
async fn each_answer_means_what_it_means() {
    let brevo = Brevo::start(KEY).await;
    let gateway = gateway_at(&brevo.url(), &[]);
    for (status, code, wanted) in [
        (400, "invalid_parameter", "refused"),
        (400, "not_enough_credits", "unavailable"),
        (401, "unauthorized", "unavailable"),
        (402, "not_enough_credits", "unavailable"),
        (403, "permission_denied", "unavailable"),
        (404, "document_not_found", "unavailable"),
        (422, "unprocessable", "refused"),
        (429, "too_many_requests", "unavailable"),
        (500, "internal_error", "unavailable"),
        (503, "maintenance", "unavailable"),
        (302, "moved", "unavailable"),
    ] {
        brevo.answer(Answer::Refused(status, Vec::new(), code));
        let (kind, reason, _) = outcome(send(&gateway).await);
        assert_eq!(kind, wanted, "{status} {code}");
        assert!(reason.contains(&status.to_string()) && reason.contains(code), "{reason}");
    }
    brevo.answer(Answer::Taken);
    let wrong = Config::parse_from([
        "x",
        "--brevo-api-key",
        "wrong",
        "--brevo-sms-sender",
        "MyShop",
        "--brevo-sms-url",
        &brevo.url(),
    ]);
    let wrong = SmsGateway::new(&wrong.notifications.sms).unwrap().unwrap();
    assert_eq!(outcome(send(&wrong).await).0, "unavailable");
    assert_eq!(brevo.taken().len(), 0);
}

#[tokio::test]
async fn brevo_is_left_alone_as_long_as_it_asks() {
    let brevo = Brevo::start(KEY).await;
    let gateway = gateway_at(&brevo.url(), &[]);
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(120));
    let past = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(120));
    for (name, value, low, high) in [
        ("retry-after", "7", 7, 7),
        ("retry-after", date.as_str(), 115, 120),
        ("retry-after", past.as_str(), 0, 0),
        ("x-sib-ratelimit-reset", "30", 30, 30),
        ("retry-after", "99999999999", 3600, 3600),
    ] {
        brevo.answer(Answer::Refused(429, vec![(name, value.to_owned())], "too_many_requests"));
        let (kind, _, pause) = outcome(send(&gateway).await);
        let pause = pause.unwrap().as_secs();
        assert!(kind == "unavailable" && (low..=high).contains(&pause), "{name}: {value} gave {pause}");
    }
    for value in ["soon", "-1", "NaN"] {
        brevo.answer(Answer::Refused(429, vec![("retry-after", value.to_owned())], "too_many_requests"));
        assert_eq!(outcome(send(&gateway).await).2, None, "{value}");
    }
}

#[tokio::test]
async fn silence_costs_the_time_limit_and_an_attempt() {
    let brevo = Brevo::start(KEY).await;
    brevo.answer(Answer::Silence);
    let started = Instant::now();
    assert_eq!(outcome(send(&gateway_at(&brevo.url(), &[])).await).0, "put off");
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn no_connection_is_nobodys_fault() {
    let port = testbed::ports::free_port().unwrap();
    let gateway = gateway_at(&format!("http://127.0.0.1:{port}/v3"), &[]);
    assert_eq!(outcome(send(&gateway).await).0, "unavailable");
    let gateway = gateway_at(&format!("https://127.0.0.1:{port}/v3"), &[]);
    assert_eq!(outcome(send(&gateway).await).0, "unavailable");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let parse = |flags: &[&str]| Config::parse_from([&["order-service"], flags].concat());
    assert!(SmsGateway::new(&parse(&[]).notifications.sms).unwrap().is_none(), "off by default");
    for (flags, variable) in [
        (&["--brevo-api-key", KEY][..], "BREVO_SMS_SENDER"),
        (&["--brevo-api-key", KEY, "--brevo-sms-sender", "much too long a name"], "BREVO_SMS_SENDER"),
        (&["--brevo-api-key", KEY, "--brevo-sms-sender", "My$hop"], "BREVO_SMS_SENDER"),
        (&["--brevo-api-key", KEY, "--brevo-sms-sender", "1234567890123456"], "BREVO_SMS_SENDER"),
        (&["--brevo-api-key", "a\nb", "--brevo-sms-sender", "MyShop"], "BREVO_API_KEY"),
        (
            &["--brevo-api-key", KEY, "--brevo-sms-sender", "MyShop", "--brevo-sms-url", "api.brevo.com"],
            "BREVO_SMS_URL",
        ),
        (&["--sms-default-country", "XX"], "SMS_DEFAULT_COUNTRY"),
    ] {
        let error = SmsGateway::new(&parse(flags).notifications.sms).unwrap_err().to_string();
        assert!(error.starts_with(variable) && !error.contains(KEY), "{flags:?}: {error}");
    }
    let config = parse(&["--brevo-api-key", KEY, "--brevo-sms-sender", "447400123456", "--sms-default-country", "GB"]);
    assert!(SmsGateway::new(&config.notifications.sms).unwrap().is_some());
    assert!(!format!("{config:?}").contains(KEY), "the key does not show");
}
