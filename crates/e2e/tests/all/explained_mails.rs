//! Why a message stands still: for each place where it can, the sentence that says so.

use e2e::collector::Collector;
use e2e::mail_server::{Fault, MailServer};
use e2e::notices::{becomes, of_order, reaches};
use e2e::people::PASSWORD;
use e2e::poll;
use e2e::samples::{MOUSE, int, order_of, text};
use e2e::shop::{Plan, Shop};
use serde_json::{Value, json};

const PLACED: (&str, &str) = ("order-placed", "EMAIL");
const CONFIRMED: (&str, &str) = ("order-confirmed", "EMAIL");

/// What is put off comes again after this test.
fn plan(server: &MailServer) -> Plan {
    Shop::plan().mail(server).order_variable("RETRY_DELAYS_MS", "600000,600000")
}

async fn place(shop: &Shop, email: &str) -> i64 {
    int(&shop.orders().post("/api/orders", order_of(email, &[(MOUSE, 1)])).await.is(201).json()["id"])
}

async fn explained(shop: &Shop, id: i64) -> Value {
    shop.orders().get(&format!("/api/notifications/{id}/explain")).await.is(200).json()
}

/// Waits until the message is explained by a sentence in which this stands.
async fn because(shop: &Shop, id: i64, sentence: &str) -> Value {
    poll::eventually(&format!("because: {sentence}"), async || {
        let explained = explained(shop, id).await;
        if text(&explained["because"]).contains(sentence) { Ok(explained) } else { Err(explained.to_string()) }
    })
    .await
}

/// The number of the message of this kind about the order, once it is there.
async fn number(shop: &Shop, order: i64, message: (&str, &str)) -> i64 {
    int(&becomes(shop, order, message, "written", |_| true).await["id"])
}

/// What is known, oldest first.
fn chain(explained: &Value) -> Vec<&str> {
    explained["chain"].as_array().unwrap().iter().map(|link| text(&link["what"])).collect()
}

#[tokio::test]
async fn a_message_is_explained_at_each_of_its_ends() {
    let server = MailServer::start().await;
    let collector = Collector::start().await;
    let plan = plan(&server).order_variable("BREVO_WEBHOOK_SECRET", "hush").traces(&collector.url(), "1");
    let shop = plan.open().await;
    let placed = shop.orders().post("/api/orders", order_of("ada@example.com", &[(MOUSE, 1)])).await.is(201);
    let order = int(&placed.json()["id"]);
    let sent = reaches(&shop, order, PLACED, "SENT").await;
    let id = int(&sent["id"]);
    let resend = json!([format!("POST /api/notifications/{id}/resend")]);
    let explained = because(&shop, id, "mail-server took it.").await;
    assert_eq!((&explained["state"], &explained["since"]), (&json!("SENT"), &sent["sentAt"]));
    assert_eq!((&explained["actions"], chain(&explained).len()), (&resend, 2));
    assert_eq!(explained["chain"][0]["eventId"], sent["eventId"]);
    let trace = placed.header("x-request-id").replace('-', "");
    assert_eq!(text(&explained["chain"][0]["traceId"]), trace, "that of the request");

    let report = json!({"event": "delivered", "message-id": sent["providerId"]});
    let report = shop.orders().post("/api/notifications/webhooks/brevo", report).header("x-webhook-secret", "hush");
    report.await.is(200);
    let explained = because(&shop, id, "It was delivered.").await;
    assert_eq!((&explained["next"], &explained["waitingFor"]), (&Value::Null, &Value::Null));

    server.refuse("bob@example.com", 550);
    let refused = place(&shop, "bob@example.com").await;
    let failed = reaches(&shop, refused, PLACED, "FAILED").await;
    let explained = because(&shop, int(&failed["id"]), "It failed: ").await;
    assert!(text(&explained["because"]).contains(text(&failed["reason"])), "{explained}");

    let skipped = number(&shop, order, ("order-placed", "SMS")).await;
    let explained = because(&shop, skipped, "It was not to be sent: no SMS gateway is configured").await;
    assert_eq!(explained["actions"], json!([]), "to send it again would be refused");

    shop.orders().delete("/api/notifications?customerEmail=ada@example.com").await.is(200);
    let explained = because(&shop, id, "Its recipient and its texts were erased.").await;
    let known = [
        "order-placed by EMAIL written",
        "taken by mail-server",
        "reported as delivered",
        "recipient and texts erased",
    ];
    assert_eq!((chain(&explained), &explained["actions"]), (known.to_vec(), &json!([])));
    shop.orders().get("/api/notifications/999/explain").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_message_that_is_put_off_is_explained_and_so_is_the_one_behind_it() {
    let server = MailServer::start().await;
    server.refuse("ada@example.com", 451);
    let shop = plan(&server).open().await;
    let order = place(&shop, "ada@example.com").await;
    let (first, second) = (number(&shop, order, PLACED).await, number(&shop, order, CONFIRMED).await);
    let explained = because(&shop, first, "mail-server put it off. Attempts in vain: 1 of 3. The last error: ").await;
    let row = of_order(&shop, order).await.into_iter().find(|row| int(&row["id"]) == first).unwrap();
    assert_eq!(explained["next"], json!({"what": "it is tried again", "at": row["nextAttemptAt"]}));
    assert_eq!(explained["then"]["what"], "it fails after attempt 3");

    let explained = because(&shop, second, &format!("It waits for notification {first},")).await;
    assert_eq!(explained["actions"], json!([format!("GET /api/notifications/{first}/explain")]));
    assert_eq!(explained["next"]["at"], row["nextAttemptAt"]);
    let waits = format!("notification {first}, order-placed by EMAIL, waits before it");
    assert!(chain(&explained).contains(&waits.as_str()), "{explained}");

    // It was written while there was a gateway.
    let sms = number(&shop, order, ("order-placed", "SMS")).await;
    let queued = "status = 'QUEUED', reason = NULL, next_attempt_at = clock_timestamp()";
    shop.database.execute(format!("UPDATE orders.notifications SET {queued} WHERE id = {sms}")).await;
    let explained = because(&shop, sms, "It waits, and nothing sends it: no SMS gateway is configured").await;
    assert_eq!(text(&explained["waitingFor"]), "an operator");
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_named() {
    let mut server = MailServer::start().await;
    server.stop();
    let shop = plan(&server).order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "60000").open().await;
    let message = number(&shop, place(&shop, "ada@example.com").await, PLACED).await;
    let explained = because(&shop, message, "mail-server was not reached: ").await;
    assert_eq!((&explained["state"], text(&explained["waitingFor"])), (&json!("QUEUED"), "mail-server"));
    let explained = because(&shop, message, "mail-server failed again and again, and is left alone").await;
    assert!(text(&explained["next"]["at"]) > text(&explained["since"]), "{explained}");
}

#[tokio::test]
async fn a_message_in_hand_and_one_that_is_due_are_told_apart() {
    let server = MailServer::start().await;
    server.set_fault(Some(Fault::Silence));
    let plan = plan(&server).order_variable("MAIL_TIMEOUT_SECONDS", "60").order_variable("MAIL_CONNECTIONS", "1");
    let shop = plan.open().await;
    let first = number(&shop, place(&shop, "ada@example.com").await, PLACED).await;
    let explained = because(&shop, first, "An instance of order-service has taken it to send it.").await;
    assert!(text(&explained["then"]["at"]) > text(&explained["since"]), "{explained}");
    // A connection claims eight.
    let mut last = first;
    for _ in 0..9 {
        last = number(&shop, place(&shop, "ada@example.com").await, PLACED).await;
    }
    because(&shop, last, "It is due, and no instance of order-service has taken it yet.").await;
}

#[tokio::test]
async fn a_mail_that_waits_for_its_code_is_explained() {
    let mut server = MailServer::start().await;
    server.stop();
    let mut shop = plan(&server).account_variable("REGISTRATION", "verified").open().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada Lovelace"});
    shop.accounts().post("/api/auth/register", body).await.is(202);
    let with = async |error: &str| {
        let rows = "SELECT count(*) FROM orders.notifications WHERE kind = 'verify-address' AND last_error";
        let rows = shop.database.number(format!("{rows} LIKE '{error}%'"));
        poll::equal(rows.await, 1)
    };
    poll::eventually("the mail to wait for the server", async || with("").await).await;
    shop.account_services[0].kill();
    // Until then an attempt may be under way that has the code.
    poll::eventually("the mail to wait for its code", async || with("account-service gives no code").await).await;
    server.come_back().await;
    // Mails without a code pass it.
    reaches(&shop, place(&shop, "bob@example.com").await, CONFIRMED, "SENT").await;
    let explained = because(&shop, 1, "It shows a code: account-service gives no code: ").await;
    assert_eq!(text(&explained["waitingFor"]), "account-service");
    assert_eq!(text(&explained["next"]["what"]), "order-service asks for the code again");
}
