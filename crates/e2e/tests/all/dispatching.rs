//! Sending in bulk, from two instances, across an outage of the mail server and across the end of the process: nothing
//! is lost, and nothing comes twice that need not.

use e2e::mail_server::{Fault, MailServer, Received};
use e2e::poll;
use e2e::samples::{MOUSE, int, order_of};
use e2e::shop::{Plan, Shop};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Messages that can be under way at the same time.
const CONNECTIONS: usize = 4;

fn plan(server: &MailServer) -> Plan {
    Shop::plan()
        .order_variable("MAIL_HOST", "127.0.0.1")
        .order_variable("MAIL_PORT", &server.port().to_string())
        .order_variable("MAIL_TLS", "none")
        .order_variable("MAIL_TIMEOUT_SECONDS", "1")
        .order_variable("MAIL_CONNECTIONS", &CONNECTIONS.to_string())
        .order_variable("MAIL_FROM_ADDRESS", "shop@example.com")
        .order_variable("NOTIFICATION_CIRCUIT_PAUSE_MS", "200")
}

/// Writes placed orders, each of a customer of its own, with the mail that tells of it.
async fn queue(shop: &Shop, orders: usize) {
    let statements = [
        format!(
            "INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status, total_amount)
             SELECT gen_random_uuid(), 'Ada', 'ada' || n || '@example.com', '12 Street', 'PENDING', 29.99
             FROM generate_series(1, {orders}) AS n"
        ),
        "INSERT INTO orders.order_items (order_id, product_id, product_name, quantity, price, subtotal)
         SELECT id, 2, 'Mouse', 1, 29.99, 29.99 FROM orders.orders"
            .to_owned(),
        "INSERT INTO orders.notifications
                (event_id, about, order_id, kind, channel, recipient, customer_email, status, next_attempt_at, data)
         SELECT gen_random_uuid(), reference, id, 'order-placed', 'EMAIL', customer_email, customer_email, 'QUEUED',
                clock_timestamp(),
                jsonb_build_object('orderId', id, 'reference', reference, 'customerName', customer_name,
                                   'customerEmail', customer_email, 'shippingAddress', shipping_address)
         FROM orders.orders"
            .to_owned(),
    ];
    for statement in statements {
        shop.database.execute(statement).await;
    }
}

async fn with_status(shop: &Shop, status: &str) -> i64 {
    shop.database.number(format!("SELECT COUNT(*) FROM orders.notifications WHERE status = '{status}'")).await
}

/// Waits until every message is sent.
async fn all_sent(shop: &Shop, count: usize) {
    poll::within(Duration::from_secs(240), "every message to be sent", async || {
        poll::equal(with_status(shop, "SENT").await, count as i64)
    })
    .await;
}

/// How often each recipient was written to, and that it was by one and the same Message-ID.
fn letters(received: &[Received]) -> HashMap<String, usize> {
    let mut letters: HashMap<String, (String, usize)> = HashMap::new();
    for mail in received {
        let id = mail.message_id();
        let known = letters.entry(mail.to[0].clone()).or_insert((id.clone(), 0));
        assert_eq!(known.0, id, "a message that comes again keeps its Message-ID");
        known.1 += 1;
    }
    letters.into_iter().map(|(to, (_, count))| (to, count)).collect()
}

#[tokio::test]
async fn two_instances_send_every_mail_once() {
    let server = MailServer::start().await;
    let shop = plan(&server).patient().pairs(2).open().await;
    queue(&shop, 1000).await;
    all_sent(&shop, 1000).await;
    let letters = letters(&server.received());
    assert_eq!((letters.len(), server.count()), (1000, 1000), "each once");
    assert!(server.most_open() > CONNECTIONS && server.most_open() <= 2 * CONNECTIONS, "{}", server.most_open());
    for service in &shop.order_services {
        let metrics = service.client().get("/metrics").await.is(200).text;
        let sent = |line: &&str| line.starts_with("notification_attempts_total") && line.contains("\"sent\"");
        assert!(metrics.lines().any(|line| sent(&line)), "both have a share in it: {metrics}");
    }
}

#[tokio::test]
async fn ten_thousand_mails_wait_for_the_mail_server_and_are_sent_once() {
    let mut server = MailServer::start().await;
    server.stop();
    let shop = plan(&server).patient().open().await;
    queue(&shop, 10_000).await;
    poll::eventually("the circuit to open", async || {
        let health = shop.orders().get("/health/ready").await.is(200).json();
        poll::equal(
            health["dependencies"]["mail-server"]["circuit"].as_str().map(str::to_owned),
            Some("OPEN".to_owned()),
        )
    })
    .await;
    assert_eq!(with_status(&shop, "QUEUED").await, 10_000);
    server.come_back().await;
    all_sent(&shop, 10_000).await;
    let letters = letters(&server.received());
    assert_eq!((letters.len(), server.count()), (10_000, 10_000), "each once");
    assert!(server.most_open() <= CONNECTIONS, "{} connections", server.most_open());
    let attempts = "SELECT COUNT(*) FROM orders.notifications WHERE attempts <> 1";
    assert_eq!(shop.database.number(attempts).await, 0, "the outage cost no attempt");
    let health = shop.orders().get("/health/ready").await.is(200).json();
    assert_eq!(health["dependencies"]["mail-server"]["circuit"], "CLOSED");
}

#[tokio::test]
async fn nothing_is_lost_when_the_process_is_killed_while_it_sends() {
    let server = MailServer::start().await;
    let mut shop = plan(&server).open().await;
    queue(&shop, 600).await;
    poll::eventually("some to be sent", async || if server.count() > 100 { Ok(()) } else { Err("few".to_owned()) })
        .await;
    // From here on the server takes what comes and never says so: the worst moment to die.
    server.set_fault(Some(Fault::SilenceAfterText(true)));
    let before = server.count();
    poll::eventually("every connection to wait for an answer", async || match server.count() {
        enough if enough >= before + CONNECTIONS - 1 => Ok(()),
        few => Err(format!("{few} after {before}")),
    })
    .await;
    shop.order_services[0].kill();
    server.set_fault(None);
    shop.order_services[0].start().await;
    all_sent(&shop, 600).await;
    let letters = letters(&server.received());
    assert_eq!(letters.len(), 600, "nothing is lost");
    let doubled = letters.values().filter(|count| **count > 1).count();
    let extra: usize = letters.values().map(|count| count - 1).sum();
    assert!((1..=CONNECTIONS).contains(&doubled) && doubled == extra, "{doubled} came {extra} times too often");
}

#[tokio::test]
async fn a_shutdown_gives_back_what_is_claimed_and_doubles_nothing() {
    let server = MailServer::start().await;
    let mut shop = plan(&server).open().await;
    queue(&shop, 600).await;
    poll::eventually("some to be sent", async || if server.count() > 50 { Ok(()) } else { Err("few".to_owned()) })
        .await;
    shop.order_services[0].ask_to_end();
    assert!(shop.order_services[0].ended().await.success());
    let late =
        "SELECT COUNT(*) FROM orders.notifications WHERE status = 'QUEUED' AND next_attempt_at > clock_timestamp()";
    assert_eq!(shop.database.number(late).await, 0, "what is left is due at once");
    shop.order_services[0].start().await;
    all_sent(&shop, 600).await;
    assert_eq!((letters(&server.received()).len(), server.count()), (600, 600));
}

#[tokio::test]
async fn who_was_forgotten_is_not_written_to() {
    let mut server = MailServer::start().await;
    server.stop();
    let shop = plan(&server).open().await;
    let place = async |email: &str| {
        let body = order_of(email, &[(MOUSE, 1)]);
        let id = int(&shop.orders().post("/api/orders", body).await.is(201).json()["id"]);
        shop.order_becomes(id, "CONFIRMED").await;
    };
    place("ada@example.com").await;
    place("grace@example.com").await;
    let mails = "SELECT COUNT(*) FROM orders.notifications WHERE channel = 'EMAIL' AND status = 'QUEUED'";
    poll::eventually("four mails to wait", async || poll::equal(shop.database.number(mails).await, 4)).await;
    shop.orders().delete("/api/notifications?customerEmail=ada@example.com").await.is(200);
    server.come_back().await;
    poll::eventually("the rest to be sent", async || poll::equal(with_status(&shop, "SENT").await, 2)).await;
    assert_eq!(shop.database.number(mails).await, 0);
    let to: HashSet<String> = server.received().into_iter().map(|mail| mail.to[0].clone()).collect();
    assert_eq!(to, HashSet::from(["grace@example.com".to_owned()]));
}

#[tokio::test]
async fn a_message_sent_again_is_a_new_one() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    queue(&shop, 1).await;
    all_sent(&shop, 1).await;
    let resend = || shop.orders().call("POST".parse().unwrap(), "/api/notifications/1/resend");
    resend().key("once").await.is(202);
    resend().key("once").await.is(202);
    let received = server.receives(2).await;
    assert_ne!(received[0].message_id(), received[1].message_id());
    assert_eq!((&received[0].to, received[0].text()), (&received[1].to, received[1].text()));
    all_sent(&shop, 1).await;
    assert_eq!(server.count(), 2);
    // The report about the first is of a message that is not there any more.
    let first = received[0].message_id();
    let known = format!("SELECT COUNT(*) FROM orders.notifications WHERE '<' || provider_id || '>' = '{first}'");
    assert_eq!(shop.database.number(known).await, 0);
}

#[tokio::test]
async fn messages_that_the_build_before_wrote_are_sent() {
    let server = MailServer::start().await;
    let shop = plan(&server).open().await;
    let order = order_of("ada@example.com", &[(MOUSE, 2)]);
    let id = int(&shop.orders().post("/api/orders", order).await.is(201).json()["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    all_sent(&shop, 2).await;
    let row = format!(
        "INSERT INTO orders.notifications
                (event_id, order_id, kind, channel, recipient, status, next_attempt_at, facts)
         VALUES (gen_random_uuid(), {id}, 'order-cancelled', 'EMAIL', 'ada@example.com', 'QUEUED', clock_timestamp(),
                 '{{\"reason\": \"ordered twice\"}}')"
    );
    shop.database.execute(row).await;
    all_sent(&shop, 3).await;
    let mail = server.received().remove(2);
    for part in ["ordered twice", "Ada Lovelace", "59.98", "12 St James's Square"] {
        assert!(mail.text().contains(part), "{part} is missing: {}", mail.text());
    }
    let erased = shop.orders().delete("/api/notifications?customerEmail=ada@example.com").await.is(200).json();
    let left = shop.database.number("SELECT COUNT(*) FROM orders.notifications WHERE erased_at IS NULL").await;
    assert_eq!((erased["erased"].as_i64() > Some(3), left), (true, 0));
}
