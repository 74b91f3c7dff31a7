//! Payments across `kill -9`: at every step of every kind of call the process ends, and what was begun is done once.

use e2e::money::{becomes, books_are_equal, is_due_now, sandbox};
use e2e::money_moves::{Kind, Move};
use e2e::poll;
use e2e::process::Service;
use e2e::shop::{FAILURE_POINT, Shop};

/// Where a call can stand still.
fn points(kind: Kind) -> [&'static str; 4] {
    let [before, after] = match kind {
        Kind::Create => ["before-create-call", "after-create-call"],
        Kind::Confirm => ["before-confirm-call", "after-confirm-call"],
        Kind::Capture => ["before-capture-call", "after-capture-call"],
        Kind::Void | Kind::Release => ["before-void-call", "after-void-call"],
        Kind::Refund => ["before-refund-call", "after-refund-call"],
    };
    [before, after, "before-outcome-commit", "after-outcome-commit"]
}

async fn restart(service: &mut Service, point: &str) {
    service.kill();
    service.set(FAILURE_POINT, point);
    service.start().await;
}

async fn stands_still(service: &Service, point: &str, times: usize) {
    poll::eventually(&format!("a call to stand still at {point}"), async || {
        poll::equal(service.log_lines(&["standing still at a failure point", point]), times)
    })
    .await;
}

/// Has the process stand still at each point in turn, kills it there, starts it again, and looks whether what was begun is done
/// once.
async fn killed_at_every_point(kind: Kind, by: &'static str) {
    let sandbox = sandbox().await;
    let capture = if matches!(kind, Kind::Capture | Kind::Release) { "shipment" } else { "automatic" };
    let mut shop = Shop::plan().paid_by(&sandbox).order_variable("PAYMENT_CAPTURE", capture).open().await;
    for point in points(kind) {
        let it = Move::new(&shop, &sandbox, kind, by).await;
        // Nobody else comes past the point meanwhile.
        let later = "UPDATE orders.payments_at_work SET next_attempt_at = clock_timestamp() + INTERVAL '1 hour'";
        shop.database.execute(later).await;
        restart(&mut shop.order_services[0], point).await;
        let begun = tokio::spawn(it.begins(&shop).attempt());
        stands_still(&shop.order_services[0], point, 1).await;
        let asked = it.requests(&sandbox).len();
        assert_eq!(asked, usize::from(!point.starts_with("before-") || point.ends_with("-commit")), "{point}");
        restart(&mut shop.order_services[0], "").await;
        let _answered_or_not = begun.await.unwrap();
        // The lease of whoever died is over.
        is_due_now(&shop, it.payment).await;
        it.ends(&shop, &sandbox).await;
        assert_eq!(it.requests(&sandbox).len(), 1, "{point}: one request under one key");
    }
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn killed_while_a_card_payment_is_announced() {
    killed_at_every_point(Kind::Create, "CARD").await;
}

#[tokio::test]
async fn killed_while_a_card_is_tried() {
    killed_at_every_point(Kind::Confirm, "CARD").await;
}

#[tokio::test]
async fn killed_while_a_card_payment_is_closed() {
    killed_at_every_point(Kind::Void, "CARD").await;
}

#[tokio::test]
async fn killed_while_a_card_payment_is_given_back() {
    killed_at_every_point(Kind::Refund, "CARD").await;
}

#[tokio::test]
async fn killed_while_promised_money_is_taken() {
    killed_at_every_point(Kind::Capture, "CARD").await;
}

#[tokio::test]
async fn killed_while_promised_money_is_given_back() {
    killed_at_every_point(Kind::Release, "CARD").await;
}

#[tokio::test]
async fn killed_while_a_upi_payment_is_announced() {
    killed_at_every_point(Kind::Create, "UPI").await;
}

#[tokio::test]
async fn killed_while_a_upi_payment_is_given_back() {
    killed_at_every_point(Kind::Refund, "UPI").await;
}

#[tokio::test]
async fn another_instance_takes_over_when_the_lease_ends() {
    let sandbox = sandbox().await;
    let mut shop = Shop::plan().paid_by(&sandbox).pairs(2).open().await;
    for point in ["before-confirm-call", "after-confirm-call"] {
        let it = Move::new(&shop, &sandbox, Kind::Confirm, "CARD").await;
        restart(&mut shop.order_services[0], point).await;
        let begun = tokio::spawn(it.begins(&shop).attempt());
        stands_still(&shop.order_services[0], point, 1).await;
        shop.order_services[0].kill();
        let _answered_or_not = begun.await.unwrap();
        let paid = "SELECT count(*) FROM orders.payments WHERE status = 'CAPTURED' AND id = ";
        poll::eventually("the other instance to finish", async || {
            poll::equal(shop.database.number(format!("{paid}{}", it.payment)).await, 1)
        })
        .await;
        restart(&mut shop.order_services[0], "").await;
        becomes(&shop, it.payment, "CAPTURED").await;
        it.was_done_once(&sandbox);
    }
    books_are_equal(&shop, &sandbox).await;
}
