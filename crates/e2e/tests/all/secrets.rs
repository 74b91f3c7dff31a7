//! Passwords, codes, tokens and keys: each stands in the one answer or mail that hands it out. No log, event, table or other
//! answer shows it.

use e2e::client::{Call, Client, Response};
use e2e::mail_server::MailServer;
use e2e::people::PASSWORD;
use e2e::poll;
use e2e::samples::{MOUSE, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";
const WEAK: &str = "lovelace lovelace";
const WRONG: &str = "seven quiet green harbours";
const SECOND: &str = "eleven loud amber windmills";
const THIRD: &str = "nineteen slow violet tractors";
const WEBHOOK: &str = "webhook-harbour-violet-19";

/// What every PHC string of a password begins with.
const HASH: &str = "$argon2";

/// Every answer that was given.
#[derive(Default)]
struct Answers(Vec<Response>);

impl Answers {
    async fn of(&mut self, call: Call, status: u16) -> Value {
        let answer = call.await.is(status);
        let json = serde_json::from_str(&answer.text).unwrap_or_default();
        self.0.push(answer);
        json
    }

    /// How many of them show it, in their body or in a header.
    fn with(&self, secret: &str) -> usize {
        let header = |answer: &Response| format!("{:?}", answer.headers).contains(secret);
        self.0.iter().filter(|answer| answer.text.contains(secret) || header(answer)).count()
    }

    /// Reads all that the client may read without naming anything.
    async fn read_everything(&mut self, client: &Client) {
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        for (path, item) in document["paths"].as_object().unwrap() {
            if item["get"].is_object() && !path.contains('{') {
                self.0.push(client.get(path).await);
            }
        }
        self.0.push(client.get("/metrics").await);
    }
}

/// The code in the mail that comes next.
async fn code(server: &MailServer, subject: &str) -> String {
    let mail = poll::eventually(&format!("the mail {subject:?}"), async || {
        let mut mails = server.received().into_iter();
        mails.find(|mail| mail.subject().contains(subject)).ok_or_else(|| "it did not come".to_owned())
    })
    .await;
    let text = mail.text();
    text.lines().find_map(|line| line.strip_prefix("    ")).expect("a code").to_owned()
}

#[tokio::test]
async fn secrets_stand_where_they_are_handed_out_and_nowhere_else() {
    let server = MailServer::start().await;
    let plan = Shop::plan().mail(&server).order_variable("ACCESS", "open").order_variable("RUST_LOG", "debug");
    let plan = plan.order_variable("BREVO_WEBHOOK_SECRET", WEBHOOK).inventory_variable("RUST_LOG", "debug");
    let plan = plan.account_variable("REGISTRATION", "verified").account_variable("RUST_LOG", "debug");
    let shop = plan.account_variable("RESETS_PER_MINUTE", "1000").open().await;
    let mut tap = shop.broker().tap().await;
    let mut answers = Answers::default();
    let accounts = shop.accounts().clone();
    let post = |path: &str, body: Value| accounts.post(path, body);
    let log_in = |password: &str| post("/api/auth/login", json!({"email": ADA, "password": password}));
    let register = |password: &str| {
        post("/api/auth/register", json!({"email": ADA, "password": password, "name": "Ada Lovelace"}))
    };

    answers.of(register(WEAK), 400).await;
    answers.of(register(PASSWORD), 202).await;
    let verify = code(&server, "Confirm").await;
    answers.of(post("/api/auth/verify", json!({"email": ADA, "code": "0000-0000"})), 400).await;
    answers.of(post("/api/auth/verify", json!({"email": ADA, "code": verify})), 204).await;
    answers.of(log_in(WRONG), 401).await;
    // What is not understood is not quoted.
    answers.of(post(&format!("/api/auth/login?password={PASSWORD}"), json!({})), 400).await;
    answers.of(post("/api/auth/login", json!({"email": ADA, "password": PASSWORD, "x": PASSWORD})), 400).await;
    let broken = format!("{{\"password\": \"{PASSWORD}\", \"password\": {PASSWORD}}}");
    answers.of(accounts.call("POST".parse().unwrap(), "/api/auth/login").body("application/json", broken), 400).await;

    let first = answers.of(log_in(PASSWORD), 200).await;
    shop.takes(text(&first["accessToken"])).await;
    let refresh = |tokens: &Value| post("/api/auth/refresh", json!({"refreshToken": tokens["refreshToken"]}));
    let second = answers.of(refresh(&first), 200).await;
    let ada = accounts.with_token(text(&second["accessToken"]));
    let key = json!({"name": "Scanner", "roles": ["CUSTOMER"], "scopes": ["orders:read"]});
    let made = answers.of(ada.post("/api/api-keys", key.clone()).key("k"), 201).await;
    answers.of(ada.post("/api/api-keys", key).key("k"), 201).await;
    let api_key = text(&made["secret"]).to_owned();
    let form = format!("grant_type=client_credentials&client_secret={api_key}");
    let exchange = accounts.call("POST".parse().unwrap(), "/api/auth/token");
    let exchanged = answers.of(exchange.body("application/x-www-form-urlencoded", form), 200).await;
    let place = shop.orders().with_token(text(&second["accessToken"])).post("/api/orders", order(&[(MOUSE, 1)]));
    answers.of(place.key("k"), 201).await;
    answers.of(shop.orders().with_token(&api_key).get("/api/orders"), 200).await;
    answers.of(shop.orders().with_token(&api_key).get("/api/notifications"), 403).await;
    answers.of(shop.inventory().with_token(&format!("{api_key}x")).get("/api/inventory/reservations"), 401).await;

    let change = json!({"currentPassword": PASSWORD, "newPassword": SECOND});
    answers.of(ada.put("/api/accounts/me/password", change), 204).await;
    answers.of(post("/api/auth/password/forgot", json!({"email": ADA})), 202).await;
    let reset = code(&server, "A new password").await;
    let set = |code: &str| post("/api/auth/password/reset", json!({"email": ADA, "code": code, "password": THIRD}));
    answers.of(set("0000-0000"), 400).await;
    answers.of(set(&reset), 204).await;
    let third = answers.of(log_in(THIRD), 200).await;
    let person = |client: &Client| client.with_token(text(&third["accessToken"]));
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        answers.read_everything(client).await;
        answers.read_everything(&person(client)).await;
    }
    for row in shop.orders().get("/api/notifications").await.is(200).array() {
        answers.of(shop.orders().get(&format!("/api/notifications/{}", row["id"])), 200).await;
        let page = format!("/api/notifications/{}/html", row["id"]);
        answers.of(shop.orders().get(&page), if row["channel"] == "EMAIL" { 200 } else { 404 }).await;
    }
    answers.of(person(&accounts).post("/api/auth/logout-all", json!({})), 204).await;

    let hash = shop.database.texts("SELECT password_hash FROM accounts.users").await.pop().unwrap();
    assert!(hash.starts_with(HASH), "{hash}");
    let never = [WEAK, WRONG, PASSWORD, SECOND, THIRD, WEBHOOK, &verify, &reset, HASH, &"A".repeat(43)];
    let once = [
        text(&first["accessToken"]),
        text(&first["refreshToken"]),
        text(&second["accessToken"]),
        text(&second["refreshToken"]),
        text(&third["accessToken"]),
        text(&third["refreshToken"]),
        text(&exchanged["access_token"]),
        &api_key,
    ];
    for secret in never {
        assert_eq!(answers.with(secret), 0, "{secret} is in an answer");
    }
    for secret in once {
        assert_eq!(answers.with(secret), 1, "{secret} is in the answer that hands it out");
    }
    tap.heard("session.revoked", 1).await;
    tap.heard("order.created", 1).await;
    for (kind, outbox) in [("accounts", "accounts.outbox"), ("orders", "orders.outbox")] {
        let sql = format!("SELECT COUNT(*) FROM {outbox}");
        poll::eventually(&format!("the events of {kind} to be out"), async || {
            poll::equal(shop.database.number(sql.clone()).await, 0)
        })
        .await;
    }
    tap.heard("user.code_issued", 2).await;
    let tables = "SELECT schemaname || '.' || relname FROM pg_stat_user_tables
                  WHERE schemaname IN ('accounts', 'orders', 'inventory')";
    let tables = shop.database.texts(tables).await;
    let services = [&shop.inventory_services, &shop.order_services, &shop.account_services];
    let logs: Vec<String> = services.into_iter().flatten().map(|service| service.log()).collect();
    assert!(logs[2].contains("/api/auth/login") && logs[1].contains("/api/orders"), "the logs were looked at");
    for secret in never.into_iter().chain(once) {
        for log in &logs {
            let line = log.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret}: {line:?}");
        }
        let event = tap.all().iter().find(|event| event.body.contains(secret));
        assert!(event.is_none(), "{secret}: {event:?}");
        for table in tables.iter().filter(|table| secret != HASH || *table != "accounts.users") {
            let rows = format!("SELECT count(*) FROM {table} AS kept WHERE position('{secret}' IN kept::text) > 0");
            assert_eq!(shop.database.number(rows).await, 0, "{secret} is in {table}");
        }
    }
}
