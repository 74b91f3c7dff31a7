//! Welcome and codes by e-mail: the code is fetched when the mail is sent, and what comes of it when account-service, the
//! mail server or the code is gone.

use e2e::broker::event;
use e2e::environment::{Environment, folder_of_test};
use e2e::mail_server::{MailServer, Received};
use e2e::notices::{circuit, reaches};
use e2e::people::PASSWORD;
use e2e::poll::{equal, eventually};
use e2e::samples::{MOUSE, int, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use uuid::Uuid;

const DOTS: &str = "•••••••";

const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj3wj9xtw0GpH4p2/\nT1ajVKCQ0XfxQqwMX2k3ZRHBUTChRANCAASLlEg3xha0Lov3z7laegzVR2n1DAx5\nOxZYKptwswJLcKDEc1liDqJOIGWmWDE16vdPjGnEaKMZJbGyUAHBnZyV\n-----END PRIVATE KEY-----";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEi5RIN8YWtC6L98+5WnoM1Udp9QwM\neTsWWCqbcLMCS3CgxHNZYg6iTiBlplgxNer3T4xpxGijGSWxslABwZ2clQ==\n-----END PUBLIC KEY-----";

fn plan(server: &MailServer) -> Plan {
    Shop::plan().mail(server).account_variable("REGISTRATION", "verified")
}

async fn register(shop: &Shop, email: &str) {
    let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
    shop.accounts().post("/api/auth/register", body).await.is(202);
}

async fn verify(shop: &Shop, email: &str, code: &str) {
    shop.accounts().post("/api/auth/verify", json!({"email": email, "code": code})).await.is(204);
}

/// The code in a text: it stands in a line of its own.
fn code_in(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("    ")).unwrap_or_else(|| panic!("no code in {text}"))
}

async fn mail(server: &MailServer, subject: &str) -> Received {
    eventually(&format!("the mail {subject:?}"), async || {
        let mails = server.received();
        let found = mails.iter().find(|mail| mail.subject().contains(subject)).cloned();
        found.ok_or_else(|| format!("{:?}", mails.iter().map(Received::subject).collect::<Vec<_>>()))
    })
    .await
}

/// Waits until the log has a message of this kind that passes the check; gives it with its text.
async fn logged(shop: &Shop, kind: &str, what: &str, check: impl Fn(&Value) -> bool) -> Value {
    let row = eventually(&format!("{kind} to be {what}"), async || {
        let rows = shop.orders().get("/api/notifications").await.is(200).array();
        let found = rows.iter().find(|row| row["kind"] == kind && check(row)).cloned();
        found.ok_or_else(|| format!("{rows:?}"))
    })
    .await;
    shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json()
}

async fn with_status(shop: &Shop, kind: &str, status: &str) -> Value {
    logged(shop, kind, status, |row| row["status"] == status).await
}

#[tokio::test]
async fn codes_and_a_welcome_arrive_by_mail() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    register(&shop, "ada@example.com").await;
    let first = mail(&server, "Confirm your e-mail address for Kafka & Sons").await;
    assert_eq!(first.to, ["ada@example.com"]);
    let text_part = first.text();
    let code = code_in(&text_part);
    assert!(text_part.starts_with("Hello Ada Lovelace,") && first.html().contains(code), "{text_part}");
    verify(&shop, "ada@example.com", code).await;
    let welcome = mail(&server, "Welcome to Kafka & Sons").await;
    assert!(welcome.text().contains("You log in with ada@example.com"), "{}", welcome.text());

    register(&shop, "ada@example.com").await;
    let exists = mail(&server, "Your account at Kafka & Sons").await;
    assert!(exists.text().contains("has an account already"), "{}", exists.text());
    shop.accounts().post("/api/auth/password/forgot", json!({"email": "ada@example.com"})).await.is(202);
    let reset = mail(&server, "A new password for Kafka & Sons").await;
    let reset_text = reset.text();
    let body = json!({"email": "ada@example.com", "code": code_in(&reset_text), "password": format!("{PASSWORD}!")});
    shop.accounts().post("/api/auth/password/reset", body).await.is(204);
    assert_eq!(server.count(), 4);

    // On a laptop the log is as good as the mailbox. What the row is made of has no code, and the log file has none.
    let row = with_status(&shop, "verify-address", "SENT").await;
    assert_eq!((&row["orderId"], text(&row["text"])), (&Value::Null, text_part.as_str()));
    let data = shop.database.texts("SELECT data || facts::text FROM orders.notifications").await.join("\n");
    for code in [code, code_in(&reset_text)] {
        assert!(!data.contains(code), "{data}");
        for service in [&shop.order_services[0], &shop.account_services[0]] {
            assert!(!service.log_without_times().contains(code));
        }
    }
}

#[tokio::test]
async fn who_reads_the_log_of_others_reads_no_codes() {
    let server = MailServer::start().await;
    let shop = plan(&server).order_variable("ACCESS", "open").open().await;
    register(&shop, "ada@example.com").await;
    let sent = mail(&server, "Confirm").await.text();
    let row = with_status(&shop, "verify-address", "SENT").await;
    assert_eq!(text(&row["text"]), sent.replace(code_in(&sent), DOTS));
    let html = shop.orders().get(&format!("/api/notifications/{}/html", row["id"])).await.is(200).text;
    assert!(html.contains(DOTS) && !html.contains(code_in(&sent)), "{html}");
    let kept = "SELECT concat(subject, body_text, body_html, data, facts::text) FROM orders.notifications";
    assert!(!shop.database.texts(kept).await.join("\n").contains(code_in(&sent)));
    verify(&shop, "ada@example.com", code_in(&sent)).await;
}

#[tokio::test]
async fn on_a_laptop_without_a_mail_server_the_log_shows_the_code_while_it_is_good() {
    let shop = Shop::plan().account_variable("REGISTRATION", "verified").open().await;
    register(&shop, "ada@example.com").await;
    let row = with_status(&shop, "verify-address", "SKIPPED").await;
    let code = code_in(text(&row["text"])).to_owned();
    let page = format!("/api/notifications/{}/html", row["id"]);
    assert!(shop.orders().get(&page).await.is(200).text.contains(&code));
    verify(&shop, "ada@example.com", &code).await;
    let used = with_status(&shop, "verify-address", "SKIPPED").await;
    assert_eq!(code_in(text(&used["text"])), DOTS);
    with_status(&shop, "welcome", "SKIPPED").await;
    let log = shop.order_services[0].log_without_times();
    assert!(log.contains(DOTS) && !log.contains(&code) && !log.contains("ada@example.com"), "{log}");
}

#[tokio::test]
async fn a_mail_that_had_to_wait_still_has_its_code() {
    let mut server = MailServer::start().await;
    server.stop();
    let shop = plan(&server).open().await;
    register(&shop, "ada@example.com").await;
    let waits = logged(&shop, "verify-address", "put off", |row| row["lastError"].is_string()).await;
    assert_eq!((text(&waits["status"]), int(&waits["attempts"])), ("QUEUED", 0), "{waits}");
    server.come_back().await;
    let sent = mail(&server, "Confirm").await.text();
    verify(&shop, "ada@example.com", code_in(&sent)).await;
}

#[tokio::test]
async fn while_account_service_is_away_codes_wait_and_orders_do_not() {
    let mut server = MailServer::start().await;
    server.stop();
    let mut shop = plan(&server).open().await;
    register(&shop, "ada@example.com").await;
    with_status(&shop, "verify-address", "QUEUED").await;
    shop.account_services[0].kill();
    server.come_back().await;
    let away =
        |row: &Value| row["lastError"].as_str().is_some_and(|it| it.starts_with("account-service gives no code"));
    let waits = logged(&shop, "verify-address", "without its code", away).await;
    assert_eq!((text(&waits["status"]), int(&waits["attempts"])), ("QUEUED", 0), "{waits}");
    let order = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    reaches(&shop, order, ("order-confirmed", "EMAIL"), "SENT").await;
    assert_eq!(circuit(&shop, "mail-server").await, "CLOSED");
    shop.account_services[0].start().await;
    let sent = mail(&server, "Confirm").await.text();
    verify(&shop, "ada@example.com", code_in(&sent)).await;
}

#[tokio::test]
async fn a_mail_whose_code_is_gone_is_given_up_and_one_of_an_unknown_purpose_set_aside() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let issued = |purpose: &str| {
        let data = json!({"codeId": Uuid::now_v7(), "purpose": purpose, "email": "ada@example.com", "name": "Ada"});
        event("user.code_issued", "ada", data).to_string()
    };
    shop.broker().publish("user.code_issued", &issued("RESET")).await;
    let failed = with_status(&shop, "reset-password", "FAILED").await;
    assert_eq!(text(&failed["reason"]), "its code has expired or was used", "{failed}");
    assert_eq!((int(&failed["attempts"]), code_in(text(&failed["text"]))), (1, DOTS), "{failed}");
    shop.broker().publish("user.code_issued", &issued("ELECT")).await;
    let set_aside = shop.orders().dead_letters("", 1).await;
    assert!(text(&set_aside[0]["reason"]).contains("a code for ELECT"), "{set_aside:?}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn an_event_that_comes_again_sends_no_second_mail() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let mut tap = shop.broker().tap().await;
    register(&shop, "ada@example.com").await;
    let issued = tap.heard("user.code_issued", 1).await.remove(0);
    mail(&server, "Confirm").await;
    for _ in 0..3 {
        shop.broker().publish("user.code_issued", &issued.body).await;
    }
    // Also when the inbox has forgotten it.
    shop.database.execute("DELETE FROM orders.inbox").await;
    shop.broker().publish("user.code_issued", &issued.body).await;
    register(&shop, "grace@example.com").await;
    eventually("Grace's mail", async || equal(server.count(), 2)).await;
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.notifications").await, 2);
    assert_eq!(server.received().iter().filter(|mail| mail.to == ["ada@example.com"]).count(), 1);
}

#[tokio::test]
async fn people_are_told_that_their_password_was_changed() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    register(&shop, "ada@example.com").await;
    verify(&shop, "ada@example.com", code_in(&mail(&server, "Confirm").await.text())).await;
    mail(&server, "Welcome").await;
    let log_in = json!({"email": "ada@example.com", "password": PASSWORD});
    let tokens = shop.accounts().post("/api/auth/login", log_in).await.is(200).json();
    let ada = shop.accounts().with_token(text(&tokens["accessToken"]));
    let (second, third) = ("seven quiet green harbours", "eleven loud amber windmills");
    let change = |current: &str, new: &str| {
        ada.put("/api/accounts/me/password", json!({"currentPassword": current, "newPassword": new}))
    };
    change("wrong password", second).await.is(400);
    change(PASSWORD, second).await.is(204);
    let told = mail(&server, "Your password at Kafka & Sons was changed").await;
    assert_eq!(told.to, ["ada@example.com"]);
    assert!(told.text().starts_with("Hello Ada Lovelace,") && !told.text().contains(second), "{}", told.text());
    assert_eq!(server.count(), 3, "a change that was refused is told to nobody");
    shop.accounts().post("/api/auth/password/forgot", json!({"email": "ada@example.com"})).await.is(202);
    let reset = mail(&server, "A new password").await.text();
    let body = json!({"email": "ada@example.com", "code": code_in(&reset), "password": third});
    shop.accounts().post("/api/auth/password/reset", body).await.is(204);
    eventually("the mail about the second change", async || equal(server.count(), 5)).await;
    assert_eq!(server.received().iter().filter(|mail| mail.subject().contains("was changed")).count(), 2);
}

#[tokio::test]
async fn messages_about_an_account_go_with_it() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let mut tap = shop.broker().tap().await;
    for email in ["Ada@Example.com", "grace@example.com"] {
        register(&shop, email).await;
    }
    eventually("both mails", async || equal(server.count(), 2)).await;
    let confirm = server.received().into_iter().find(|mail| mail.to != ["grace@example.com"]).unwrap().text();
    verify(&shop, "ada@example.com", code_in(&confirm)).await;
    mail(&server, "Welcome").await;
    with_status(&shop, "welcome", "SENT").await;
    let log_in = json!({"email": "ada@example.com", "password": PASSWORD});
    let tokens = shop.accounts().post("/api/auth/login", log_in).await.is(200).json();
    let ada = shop.accounts().with_token(text(&tokens["accessToken"]));
    // Of an order that she places as a guest the messages stay, as the order does.
    let order = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    reaches(&shop, order, ("order-confirmed", "EMAIL"), "SENT").await;
    ada.delete("/api/accounts/me").await.is(204);
    let erased = tap.heard("user.erased", 1).await.remove(0);
    assert_eq!(erased.event()["data"], json!({"userId": erased.event()["subject"], "email": "Ada@Example.com"}));
    let about_accounts = "FROM orders.notifications WHERE order_id IS NULL";
    let left = format!(
        "SELECT COUNT(*) {about_accounts} AND num_nonnulls(recipient, customer_email, data, facts, body_text) > 0"
    );
    eventually("hers to be erased", async || equal(shop.database.number(left.clone()).await, 1)).await;
    assert_eq!(
        shop.database.texts(format!("SELECT recipient {about_accounts} AND recipient IS NOT NULL")).await,
        ["grace@example.com"]
    );
    let of_order =
        format!("SELECT COUNT(*) FROM orders.notifications WHERE order_id = {order} AND recipient IS NOT NULL");
    assert!(shop.database.number(of_order).await > 0);
    // Again, it changes nothing.
    shop.broker().publish("user.erased", &erased.body).await;
    shop.broker().drained("order-service.account-changes").await;
    assert_eq!(shop.database.number(left).await, 1);
}

#[tokio::test]
async fn messages_about_an_account_are_erased_by_its_address() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    for email in ["Ada@Example.com", "grace@example.com"] {
        register(&shop, email).await;
    }
    eventually("both mails", async || {
        equal(shop.orders().get("/api/notifications?status=SENT").await.is(200).array().len(), 2)
    })
    .await;
    let erase = async || {
        let erased = shop.orders().delete("/api/notifications?customerEmail=ada@EXAMPLE.com").await.is(200).json();
        int(&erased["erased"])
    };
    assert_eq!((erase().await, erase().await), (1, 0));
    let left = "SELECT COUNT(*) FROM orders.notifications WHERE num_nonnulls(recipient, customer_email, data, facts, body_text) > 0";
    assert_eq!(shop.database.number(left).await, 1, "Grace's");
}

#[tokio::test]
async fn where_callers_need_a_token_order_service_says_who_it_is() {
    let server = MailServer::start().await;
    let folder = folder_of_test(Environment::get());
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, trusted) = (file("key.pem", PRIVATE), format!("order-service={}", file("public.pem", PUBLIC)));
    let plan = plan(&server).order_variable("ACCESS", "required").order_variable("SERVICE_KEY_FILE", &key);
    let plan = plan.account_variable("ACCESS", "required").account_variable("TRUSTED_SERVICES", &trusted);
    let shop = plan.inventory_variable("TRUSTED_SERVICES", &trusted).open().await;
    shop.accounts()
        .post(&format!("/internal/codes/{}/take", Uuid::now_v7()), json!(null))
        .await
        .problem(401, "unauthenticated");
    register(&shop, "ada@example.com").await;
    let sent = mail(&server, "Confirm").await.text();
    verify(&shop, "ada@example.com", code_in(&sent)).await;
    // So it does when it asks for an address.
    let login = json!({"email": "ada@example.com", "password": PASSWORD});
    let token = shop.accounts().post("/api/auth/login", login).await.is(200).json()["accessToken"].clone();
    shop.takes(text(&token)).await;
    let address = json!({"name": "Ada", "lines": ["1 Main St"], "city": "London", "postcode": "N1", "country": "GB"});
    let adas = shop.accounts().with_token(text(&token)).post("/api/accounts/me/addresses", address);
    let address = adas.await.is(201).json()["id"].clone();
    let order = json!({"customerName": "Ada", "customerEmail": "ada@example.com", "shippingAddressId": address,
        "items": [{"productId": MOUSE, "quantity": 1}]});
    let placed = shop.orders().with_token(text(&token)).post("/api/orders", order).await.is(201).json();
    assert_eq!(text(&placed["shippingAddress"]), "Ada\n1 Main St\nLondon\nN1\nGB");
    let kept = "SELECT body_text FROM orders.notifications WHERE status = 'SENT' AND kind = 'verify-address'";
    let kept = eventually("the mail to be kept", async || {
        shop.database.texts(kept).await.pop().ok_or_else(|| "nothing".to_owned())
    });
    assert_eq!(kept.await, sent.replace(code_in(&sent), DOTS));
}

#[tokio::test]
async fn an_erasure_takes_with_it_the_mails_that_it_has_overtaken() {
    let shop = Shop::open().await;
    let user = Uuid::now_v7();
    let data = json!({"userId": user, "email": "ada@example.com", "name": "Ada"});
    let (registered, erased) =
        (event("user.registered", &user.to_string(), data), event("user.erased", &user.to_string(), erasure(user)));
    // The consumer of the first waits, as for another instance that has the same event.
    let claim = "INSERT INTO orders.inbox (consumer, event_id) VALUES";
    let claim = format!("{claim} ('order-service.account-mails', '{}')", text(&registered["id"]));
    let other = shop.database.lock(claim).await;
    shop.broker().publish("user.registered", &registered.to_string()).await;
    shop.database.somebody_waits().await;
    shop.broker().publish("user.erased", &erased.to_string()).await;
    let count = format!("SELECT COUNT(*) FROM orders.inbox WHERE event_id = '{}'", text(&erased["id"]));
    eventually("the erasure", async || equal(shop.database.number(count.clone()).await, 1)).await;
    other.rollback().await.unwrap();
    eventually("the erasure behind the mail", async || equal(shop.database.number(count.clone()).await, 2)).await;
    let mails = "SELECT COALESCE(recipient, 'erased') FROM orders.notifications WHERE order_id IS NULL";
    assert_eq!(shop.database.texts(mails).await, [""; 0], "it was overtaken, and is not written any more");
}

fn erasure(user: Uuid) -> Value {
    json!({"userId": user, "email": "ada@example.com"})
}
