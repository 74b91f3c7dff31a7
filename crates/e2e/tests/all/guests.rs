//! Orders without an account: the link and the code in their mails, and how a customer takes one into an account.

use e2e::client::{Client, Response};
use e2e::guests::{Access, PUBLIC_URL};
use e2e::mail_server::MailServer;
use e2e::notices::reaches;
use e2e::people::Person;
use e2e::poll::eventually;
use e2e::samples::{MOUSE, int, order, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};
use std::future::IntoFuture;

const DOTS: &str = "•••••••";

fn plan() -> Plan {
    Shop::plan().guests().with_accounts()
}

/// An order of nobody, with the link and the code of its mails.
async fn guest_order(shop: &Shop) -> (Value, Access) {
    let placed = shop.place(&[(MOUSE, 1)]).await;
    let access = shop.guest_access(int(&placed["id"])).await;
    (placed, access)
}

/// Somebody with an account, whom every order-service knows.
async fn customer(shop: &Shop, email: &str) -> Person {
    let person = shop.register(email).await;
    for service in &shop.order_services {
        eventually("the token to be known", async || {
            let answer = person.calls(service.client()).get("/api/orders").await;
            if answer.status == 200 { Ok(()) } else { Err(answer.text) }
        })
        .await;
    }
    person
}

async fn claim(client: &Client, access: &Access, code: &str) -> Response {
    client.post(&access.claim(), json!({"code": code})).await
}

/// Some code that is not this one.
fn other_than(code: &str) -> String {
    let first = if code.starts_with('0') { "1" } else { "0" };
    format!("{first}{}", &code[1..])
}

#[tokio::test]
async fn the_mails_of_a_guest_show_a_link_to_the_order_and_a_code() {
    let server = MailServer::start().await;
    let shop = plan().mail(&server).open().await;
    let mut tap = shop.broker().tap().await;
    let (placed, access) = guest_order(&shop).await;
    let id = int(&placed["id"]);
    for kind in ["order-placed", "order-confirmed"] {
        reaches(&shop, id, (kind, "EMAIL"), "SENT").await;
    }
    for mail in server.received() {
        assert_eq!(Access::in_text(&mail.text()), Some(access.clone()), "{}", mail.text());
        let link = format!("href=\"{PUBLIC_URL}{}\"", access.path);
        let html = mail.html().replace("&#x2f;", "/");
        assert!(html.contains(&link) && html.contains(&access.code), "{html}");
    }
    // Whoever has the link sees the order, and nobody keeps the page.
    let seen = shop.orders().get(&access.path).header("via", "1.1 x").await;
    assert_eq!(seen.status, 403, "a proxy that nobody named");
    let seen = shop.orders().get(&access.path).header("origin", PUBLIC_URL).await.is(200);
    assert_eq!((seen.header("cache-control"), seen.header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!(seen.json(), shop.orders().get(&format!("/api/orders/{id}")).await.is(200).json());
    // It stands in mails alone: in no event, no row that mails are made of, and no log.
    tap.heard("order.confirmed", 1).await;
    let data = shop.database.texts("SELECT concat(data, facts::text) FROM orders.notifications").await;
    let events = tap.all().iter().map(|heard| heard.body.clone());
    let logs = [shop.order_services[0].log(), shop.account_services[0].log()];
    let token = access.path.rsplit('/').next().unwrap();
    for found in data.into_iter().chain(events).chain(logs) {
        assert!(!found.contains(token) && !found.contains(&access.code), "{found}");
    }
    // A customer needs no link.
    let ada = customer(&shop, "ada@example.com").await;
    let own = ada.calls(shop.orders()).post("/api/orders", order(&[(MOUSE, 1)])).await.is(201).json();
    reaches(&shop, int(&own["id"]), ("order-confirmed", "EMAIL"), "SENT").await;
    let with_link = server.received().iter().filter(|mail| mail.text().contains(PUBLIC_URL)).count();
    assert_eq!(with_link, 2);
}

#[tokio::test]
async fn what_is_kept_of_a_mail_has_no_code() {
    let server = MailServer::start().await;
    let shop = plan().mail(&server).order_variable("ACCESS", "open").open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let row = reaches(&shop, id, ("order-placed", "EMAIL"), "SENT").await;
    let sent = server.received().remove(0).text();
    let code = Access::in_text(&sent).unwrap().code;
    let kept = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
    assert_eq!(text(&kept["text"]), sent.replace(&code, DOTS));
    let rows = "SELECT concat(body_text, body_html, data) FROM orders.notifications";
    assert!(!shop.database.texts(rows).await.join("\n").contains(&code));
}

#[tokio::test]
async fn a_mail_that_nothing_was_set_up_for_is_sent_later_with_everything() {
    let server = MailServer::start().await;
    let mut shop = plan().open().await;
    let (placed, access) = guest_order(&shop).await;
    let id = int(&placed["id"]);
    let rows = [
        reaches(&shop, id, ("order-placed", "EMAIL"), "SKIPPED").await,
        reaches(&shop, id, ("order-confirmed", "EMAIL"), "SKIPPED").await,
    ];
    let data = "SELECT count(data) FROM orders.notifications WHERE channel = 'EMAIL'";
    assert_eq!(shop.database.number(data).await, 0, "the order has it");
    let service = &mut shop.order_services[0];
    service.kill();
    for (name, value) in [("MAIL_HOST", "127.0.0.1"), ("MAIL_PORT", &server.port().to_string()), ("MAIL_TLS", "none")] {
        service.set(name, value);
    }
    service.set("MAIL_FROM_ADDRESS", "shop@shop.example");
    service.start().await;
    for row in rows {
        let shown = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
        let resend = format!("/api/notifications/{}/resend", row["id"]);
        shop.orders().call("POST".parse().unwrap(), &resend).await.is(202);
        reaches(&shop, id, (text(&row["kind"]), "EMAIL"), "SENT").await;
        let sent = server.received().pop().unwrap().text();
        assert!(text(&shown["text"]).contains("Wireless Mouse") && sent.contains("Wireless Mouse"), "{sent}");
        assert_eq!(Access::in_text(&sent).map(|sent| sent.path), Some(access.path.clone()), "{sent}");
    }
}

#[tokio::test]
async fn without_a_public_url_mails_have_no_link() {
    let shop = Shop::plan().open().await;
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    let row = reaches(&shop, id, ("order-placed", "EMAIL"), "SKIPPED").await;
    let mail = shop.orders().get(&format!("/api/notifications/{}", row["id"])).await.is(200).json();
    assert!(!text(&mail["text"]).contains("See your order"), "{mail}");
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.guest_link_keys").await, 0);
}

#[tokio::test]
async fn a_link_that_is_not_one_of_ours_is_a_404_that_does_not_repeat_it() {
    let shop = plan().open().await;
    let (_, access) = guest_order(&shop).await;
    let (prefix, token) = access.path.rsplit_once('/').unwrap();
    let ada = customer(&shop, "ada@example.com").await;
    let last = if token.ends_with('A') { "B" } else { "A" };
    let turned: String = token.chars().rev().collect();
    for wrong in [
        format!("{}{last}", &token[..59]),
        turned,
        token[..59].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        "A".repeat(60),
        "A".repeat(2000),
        "1".to_owned(),
        "%FF".to_owned(),
        "%00".to_owned(),
        "a%20b".to_owned(),
    ] {
        let answer = shop.orders().get(&format!("{prefix}/{wrong}")).await;
        let problem = answer.problem(404, "not-found");
        assert_eq!(problem["detail"], "the order of this link does not exist", "{wrong}");
        assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "no-referrer"));
        let claim = ada.calls(shop.orders()).post(&format!("{prefix}/{wrong}/claim"), json!({"code": access.code}));
        claim.await.problem(404, "not-found");
    }
    // Nor does any other problem on the way repeat a token.
    for (answer, status) in [
        (shop.orders().get(&access.claim()).await, 405),
        (shop.orders().get(&format!("{}/nowhere", access.path)).await, 404),
        (shop.orders().get(&access.path).header("authorization", "Bearer x").await, 401),
        (shop.orders().post(&access.claim(), json!({"code": access.code})).await, 403),
    ] {
        assert!(answer.status == status && !answer.text.contains(token), "{}", answer.text);
    }
    assert!(!shop.order_services[0].log().contains(token));
    shop.orders().get(&access.path).await.is(200);
}

#[tokio::test]
async fn a_customer_takes_an_order_into_their_account_once() {
    let shop = plan().open().await;
    let (placed, access) = guest_order(&shop).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let (ada, bob) = (customer(&shop, "ada@example.com").await, customer(&shop, "bob@example.com").await);
    let [adas, bobs] = [&ada, &bob].map(|person| person.calls(shop.orders()));
    let path = format!("/api/orders/{id}");
    adas.get(&path).await.problem(404, "not-found");
    let before = shop.orders().get(&path).await.is(200);
    let typed = access.code.to_lowercase().replace('-', " ");
    let claimed = claim(&adas, &access, &typed).await.is(200);
    assert_eq!(claimed.json()["customerId"], json!(ada.id));
    assert_eq!((claimed.header("cache-control"), claimed.header("referrer-policy")), ("no-store", "no-referrer"));
    assert!(claimed.header("etag") > before.header("etag"), "{} {}", claimed.header("etag"), before.header("etag"));
    let own = adas.get(&path).await.is(200);
    assert_eq!((own.text.as_str(), own.header("etag")), (claimed.text.as_str(), claimed.header("etag")));
    assert_eq!(adas.get("/api/orders").await.is(200).array(), [own.json()]);
    let timeline = adas.get(&format!("{path}/timeline")).await.is(200).array();
    let last = timeline.last().unwrap();
    assert_eq!((timeline.len(), text(&last["status"]), text(&last["actor"])), (3, "CONFIRMED", "customer"));
    // Again changes nothing. For everybody else there is nothing behind the link any more.
    let again = claim(&adas, &access, &access.code).await.is(200);
    assert_eq!((again.text, again.headers["etag"].clone()), (claimed.text, claimed.headers["etag"].clone()));
    claim(&bobs, &access, &access.code).await.problem(404, "not-found");
    for client in [shop.orders(), &adas, &bobs] {
        client.get(&access.path).await.problem(404, "not-found");
    }
    // Mails to come have no link.
    shop.orders().put(&format!("{path}/status"), json!({"status": "SHIPPED"})).await.is(200);
    let shipped = reaches(&shop, id, ("order-shipped", "EMAIL"), "SKIPPED").await;
    let mail = shop.orders().get(&format!("/api/notifications/{}", shipped["id"])).await.is(200).json();
    assert!(!text(&mail["text"]).contains(PUBLIC_URL), "{mail}");
    shop.assert_invariants().await;
    assert_eq!(shop.orders().get("/api/admin/invariants").await.is(200).json()["holds"], true);
}

#[tokio::test]
async fn only_the_code_of_the_order_takes_it_and_not_many_are_tried() {
    let shop = plan().open().await;
    let ((placed, first), (_, second)) = (guest_order(&shop).await, guest_order(&shop).await);
    let ada = customer(&shop, "ada@example.com").await.calls(shop.orders());
    assert_ne!(first.code, second.code);
    claim(&ada, &first, &second.code).await.problem(400, "bad-code");
    for body in [json!({}), json!({"code": null}), json!({"code": 7}), json!({"code": " "})] {
        assert_eq!(ada.post(&first.claim(), body).await.fields_at_fault(), ["code"]);
    }
    for wrong in ["x", &other_than(&first.code), &format!("{}0", first.code), &second.code] {
        claim(&ada, &first, wrong).await.problem(400, "bad-code");
    }
    let refused = claim(&ada, &first, &first.code).await;
    refused.problem(429, "too-many-tries");
    let seconds: i64 = refused.header("retry-after").parse().unwrap();
    assert!((3590..=3600).contains(&seconds), "{seconds}");
    // Of another order the count is another, and whoever has the link still sees the order.
    claim(&ada, &second, &second.code).await.is(200);
    shop.orders().get(&first.path).await.is(200);
    shop.database.execute("UPDATE orders.wrong_claim_codes SET last_at = last_at - INTERVAL '1 hour'").await;
    claim(&ada, &first, &second.code).await.problem(400, "bad-code");
    claim(&ada, &first, &first.code).await.is(200);
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.wrong_claim_codes").await, 0);
    ada.get(&format!("/api/orders/{}", placed["id"])).await.is(200);
}

#[tokio::test]
async fn of_wrong_codes_that_come_at_once_five_are_looked_at() {
    let shop = plan().pairs(2).open().await;
    let (_, access) = guest_order(&shop).await;
    let ada = customer(&shop, "ada@example.com").await;
    let wrong = json!({"code": other_than(&access.code)});
    let tries = (0..20).map(|n| ada.calls(shop.order_services[n % 2].client()).post(&access.claim(), wrong.clone()));
    let tries: Vec<_> = tries.map(|call| tokio::spawn(call.into_future())).collect();
    let mut looked_at = 0;
    for answer in tries {
        let answer = answer.await.unwrap();
        looked_at += usize::from(answer.status == 400);
        assert!([400, 429].contains(&answer.status), "{}", answer.text);
    }
    assert_eq!(looked_at, 5);
}

#[tokio::test]
async fn of_customers_who_claim_at_once_at_two_instances_one_gets_the_order() {
    let shop = plan().pairs(2).open().await;
    let people = [customer(&shop, "ada@example.com").await, customer(&shop, "bob@example.com").await];
    for _ in 0..5 {
        let (placed, access) = guest_order(&shop).await;
        let path = format!("/api/orders/{}", placed["id"]);
        let right = json!({"code": access.code});
        let calls = (0..8).map(|n| people[n % 2].calls(shop.order_services[n / 2 % 2].client()));
        let claims = calls.map(|client| tokio::spawn(client.post(&access.claim(), right.clone()).into_future()));
        let cancel = tokio::spawn(shop.orders().post(&format!("{path}/cancel"), json!({})).into_future());
        let (mut answers, mut winners) = (Vec::new(), Vec::new());
        for (n, answer) in claims.collect::<Vec<_>>().into_iter().enumerate() {
            let answer = answer.await.unwrap();
            match answer.status {
                200 => winners.push(n % 2),
                _ => drop(answer.problem(404, "not-found")),
            }
            answers.push(answer.status);
        }
        cancel.await.unwrap().is(200);
        winners.dedup();
        assert_eq!((answers.iter().filter(|status| **status == 200).count(), winners.len()), (4, 1), "{answers:?}");
        let now = shop.orders().get(&path).await.is(200).json();
        assert_eq!((&now["customerId"], &now["status"]), (&json!(people[winners[0]].id), &json!("CANCELLED")));
    }
    eventually("no event to wait", async || {
        let waiting = shop.database.number("SELECT count(*) FROM orders.outbox").await;
        if waiting == 0 { Ok(()) } else { Err(waiting.to_string()) }
    })
    .await;
    shop.assert_invariants().await;
}
