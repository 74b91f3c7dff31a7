//! Messages in months: those that are done with are archived, those that wait hold their month, and each is claimed by itself.

use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::mail_server::MailServer;
use e2e::migrations::migrate;
use e2e::pages::ids;
use e2e::poll;
use e2e::shop::Shop;

/// The partition of so many months ago.
fn month(months_ago: i32) -> String {
    format!(
        "to_char(date_trunc('month', now() AT TIME ZONE 'UTC') - INTERVAL '{months_ago} months', '\"notifications_\"YYYY_MM')"
    )
}

/// The id of an event of so many months ago.
fn event(months_ago: i32) -> String {
    format!(
        "(left(orders.first_reference(date_trunc('month', now(), 'UTC') - INTERVAL '{months_ago} months'
               + INTERVAL '3 days')::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid"
    )
}

/// Cuts the table as if it had been in partitions from `age` months ago on.
async fn cut(shop: &Shop, age: i32) {
    let cut = format!(
        "DO $$
         DECLARE
             name TEXT;
             ends UUID := orders.first_reference(date_trunc('month', now(), 'UTC') - INTERVAL '{age} months');
         BEGIN
             FOR name IN SELECT partition FROM orders.months
                         WHERE parent = 'notifications' AND partition <> 'notifications_before_months' LOOP
                 EXECUTE format('DROP TABLE orders.%I', name);
                 DELETE FROM orders.months WHERE partition = name;
             END LOOP;
             UPDATE orders.months SET end_key = ends WHERE parent = 'notifications';
             ALTER TABLE orders.notifications DETACH PARTITION orders.notifications_before_months;
             EXECUTE format('ALTER TABLE orders.notifications ATTACH PARTITION orders.notifications_before_months
                             FOR VALUES FROM (MINVALUE) TO (%L)', ends);
             PERFORM orders.add_months('notifications', 'event_id', 3);
         END $$"
    );
    shop.database.execute(cut).await;
}

/// Writes a mail about an event of so many months ago, which is due at `next_attempt_at` or was sent; gives its number.
async fn message(shop: &Shop, months_ago: i32, next_attempt_at: Option<&str>) -> i64 {
    let (status, at) = next_attempt_at.map_or(("SENT", "NULL"), |at| ("QUEUED", at));
    let message = format!(
        "INSERT INTO orders.notifications
                (event_id, order_id, kind, channel, recipient, customer_email, status, next_attempt_at, data)
         SELECT {}, 1, 'order-cancelled', 'EMAIL', 'ada@example.com', 'ada@example.com', '{status}', {at},
                jsonb_build_object('orderId', 1, 'reference', gen_random_uuid(), 'customerName', 'Ada',
                                   'customerEmail', 'ada@example.com', 'shippingAddress', 'London')
         RETURNING id",
        event(months_ago)
    );
    shop.database.number(message).await
}

/// The months in the archive.
async fn archive(shop: &Shop) -> Vec<String> {
    shop.database.tables_in("orders_archive").await
}

#[tokio::test]
async fn months_of_messages_are_archived_but_for_those_with_a_message_that_waits() {
    let mut shop = Shop::plan().order_variable("NOTIFICATIONS_KEEP_MONTHS", "2").open().await;
    cut(&shop, 5).await;
    let (first, second) = (message(&shop, 5, None).await, message(&shop, 4, Some("now() + INTERVAL '1 day'")).await);
    let (third, fourth) = (message(&shop, 3, None).await, message(&shop, 2, None).await);
    assert_eq!([first, second, third, fourth], [1, 2, 3, 4]);
    let names = format!("SELECT unnest(ARRAY[{}, {}, {}])", month(5), month(4), month(3));
    let mut names = shop.database.texts(names).await;
    names.push("notifications_before_months".to_owned());

    let service = shop.order_services.first_mut().unwrap().restart().await;
    let stays = "a partition is not archived: this row of it is not done with";
    poll::eventually("the month to stay", async || {
        poll::equal(service.log_lines(&[stays, "of=\"notifications\" row=\"2\""]), 1)
    })
    .await;
    assert_eq!(archive(&shop).await, [names[0].clone(), names[3].clone()]);
    assert_eq!(ids(&shop.orders().get("/api/notifications").await.is(200).array()), [4, 3, 2]);
    shop.orders().get("/api/notifications/1").await.problem(404, "not-found");
    // Builds that take one month for all are not to be started any more.
    assert_eq!(shop.database.number("SELECT floor FROM orders.schema_floor").await, 44);
    // What was to be archived when it was looked, and has a message to send when it comes to it.
    let late = format!("SELECT orders.archive_notifications({})", month(4));
    let mut conn = shop.database.pool().acquire().await.unwrap();
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(late)).execute(&mut *conn).await.unwrap_err().to_string();
    assert!(refused.contains("message 2 of notifications_") && refused.contains("is to be sent again"), "{refused}");

    shop.database.execute("UPDATE orders.notifications SET status = 'SENT', next_attempt_at = NULL WHERE id = 2").await;
    shop.order_services.first_mut().unwrap().restart().await;
    poll::eventually("the months to be archived", async || poll::equal(archive(&shop).await, names.clone())).await;
    assert_eq!(ids(&shop.orders().get("/api/notifications").await.is(200).array()), [4]);
    is_taken_back(&shop, &names[0]).await;
    let found = shop.orders().get("/api/admin/invariants").await.is(200).json();
    assert_eq!(found["holds"], true, "{found}");
}

/// Takes the oldest month back, with a message of that time that was written since. Then it is as before: the job would archive it
/// again.
async fn is_taken_back(shop: &Shop, month: &str) {
    let late = message(shop, 5, None).await;
    let mut transaction = shop.database.pool().begin().await.unwrap();
    let take_back = sqlx::AssertSqlSafe(format!("SELECT orders.take_back('{month}')"));
    sqlx::raw_sql(take_back).execute(&mut *transaction).await.unwrap();
    let there = "SELECT array_agg(id ORDER BY id) FROM orders.notifications WHERE tableoid = $1::regclass";
    let there: Vec<i64> =
        sqlx::query_scalar(there).bind(format!("orders.{month}")).fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(there, [1, late]);
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn a_claim_takes_no_message_at_the_same_place_of_another_month() {
    let server = MailServer::start().await;
    let shop = Shop::plan().mail(&server).open().await;
    cut(&shop, 3).await;
    // Alone in its partition, like the one that is due: their places are the same.
    let waiting = message(&shop, 2, Some("now() + INTERVAL '1 day'")).await;
    let sent = message(&shop, 3, None).await;
    let due = message(&shop, 1, Some("now()")).await;
    let places = shop.database.texts("SELECT DISTINCT ctid::text FROM orders.notifications").await;
    assert_eq!(places.len(), 1, "{places:?}");
    // An order's messages leave in the order of their events, so the one that waits has to be about another one.
    shop.database.execute(format!("UPDATE orders.notifications SET order_id = id WHERE id <> {sent}")).await;
    let places = shop.database.texts("SELECT DISTINCT ctid::text FROM orders.notifications WHERE attempts = 0").await;
    assert!(places.len() < 3, "{places:?}");
    let status = format!("SELECT status || ' ' || attempts FROM orders.notifications WHERE id = {due}");
    poll::eventually("the mail", async || {
        poll::equal(shop.database.texts(status.clone()).await, vec!["SENT 1".to_owned()])
    })
    .await;
    let others = format!(
        "SELECT id || ' ' || status || ' ' || attempts || ' ' || COALESCE(next_attempt_at > now() + INTERVAL '1 hour', TRUE)
         FROM orders.notifications WHERE id <> {due} ORDER BY id"
    );
    assert_eq!(shop.database.texts(others).await, [format!("{waiting} QUEUED 0 true"), format!("{sent} SENT 0 true")]);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn what_was_told_becomes_the_first_partition_while_messages_are_written() {
    const TOLD: &str = "INSERT INTO orders.notifications (event_id, order_id, kind, channel, recipient, status, data)";
    let database = TestDatabase::create(&Environment::get().database_url).await;
    let mut conn = database.pool().acquire().await.unwrap().detach();
    migrate(&mut conn, "order-service", 1..=40).await;
    let stray = "'fedcba98-0000-5000-8000-000000000000'";
    for (number, event) in [(1, event(0)), (2, stray.to_owned())] {
        let told =
            format!("{TOLD} VALUES ({event}, {number}, 'order-placed', 'EMAIL', 'a@example.com', 'SENT', '{{}}')");
        database.execute(told).await;
    }
    migrate(&mut conn, "order-service", 41..=42).await;
    // One is being sent; the migration lets it end.
    let mut sending = database.pool().begin().await.unwrap();
    let touch = "UPDATE orders.notifications SET attempts = 1 WHERE id = 1";
    sqlx::raw_sql(touch).execute(&mut *sending).await.unwrap();
    let migrating = tokio::spawn(async move {
        migrate(&mut conn, "order-service", 43..=u32::MAX).await;
    });
    database.somebody_waits().await;
    let sms = "SELECT event_id, 1, kind, 'SMS', '+442079460000', 'SENT', NULL FROM orders.notifications WHERE id = 1";
    database.execute(format!("{TOLD} {sms}")).await;
    sending.commit().await.unwrap();
    migrating.await.unwrap();
    database
        .execute(format!("{TOLD} VALUES ({}, 4, 'order-placed', 'EMAIL', 'b@example.com', 'SENT', '{{}}')", event(0)))
        .await;
    let places = "SELECT id || ' ' || tableoid::regclass FROM orders.notifications ORDER BY id";
    let before = "orders.notifications_before_months";
    let expected = [(1, before), (2, "orders.notifications_beyond"), (3, before), (4, before)];
    assert_eq!(database.texts(places).await, expected.map(|(id, of)| format!("{id} {of}")));
    // The SMS is made of what its e-mail was, as soon as anybody touches it; and each change counts.
    database.execute("UPDATE orders.notifications SET attempts = 2 WHERE id IN (1, 3)").await;
    let touched = "SELECT version || ' ' || data FROM orders.notifications WHERE id IN (1, 3) ORDER BY id";
    assert_eq!(database.texts(touched).await, ["3 {}", "2 {}"]);
    let again =
        format!("{TOLD} SELECT event_id, order_id, kind, channel, recipient, 'SENT', '{{}}' FROM orders.notifications");
    let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(again)).execute(database.pool()).await.unwrap_err();
    // Builds before this one know that by its name.
    assert_eq!(refused.as_database_error().unwrap().constraint(), Some("notifications_once"));
    assert_eq!(database.number("SELECT floor FROM orders.schema_floor").await, 36);
}
