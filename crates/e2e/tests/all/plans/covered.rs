//! Every statement of the code runs on full tables once, or says why not; and what each may read of them.

use super::{
    MANY, NO_CHECKS, accounts, fill, place_later, plan, rarely, services, set, statements, stop, use_everything,
    walked_through,
};
use e2e::broker::event;
use e2e::mail_server::{Fault, MailServer};
use e2e::money;
use e2e::poll;
use e2e::samples::MOUSE;
use serde_json::json;
use shared_types::topology::ORDER_ACCOUNT_EVENTS;
use uuid::Uuid;

/// Statements that are not run here: a piece of their place or text, and why.
const NOT_RUN: [(&str, &str); 4] = [
    (
        "service-kit/src/invariants.rs",
        "looks at everything on purpose, when an operator asks for it and at times for the metrics",
    ),
    ("orders.archive_month", "reads nothing, and there is no month that is old enough"),
    ("orders.archive_notifications", "likewise"),
    ("inventory.archive_movements", "likewise"),
];

/// Tables that may be walked through, and by what.
const WALKED: [(&str, &str); 5] = [
    ("accounts.users: ", "a list of accounts by status goes through them, for an administrator who asks"),
    ("inventory.products: ", "a search goes through the catalogue, which does not grow with the orders"),
    ("inventory.inbox: ", "what is a week old is looked for in ranges of pages, once an hour"),
    ("orders.inbox: ", "likewise"),
    ("orders.pending_placements: ", "what waits is counted, every five seconds"),
];

#[tokio::test]
async fn every_statement_runs_on_full_tables_and_walks_through_none() {
    // Puts every mail off, until it goes away: then what is claimed is given back.
    let mut server = MailServer::start().await;
    server.set_fault(Some(Fault::Recipient(451)));
    let plan = plan().mail(&server).guests().own_postgres().order_variable("SETTLE_INTERVAL_SECONDS", "1");
    let plan = plan.order_variable("PGAPPNAME", "service").inventory_variable("PGAPPNAME", "service");
    let plan = plan.account_variable("PGAPPNAME", "service").account_variable("RESETS_PER_MINUTE", "1000");
    let plan = plan.account_variable(NO_CHECKS.0, NO_CHECKS.1).account_variable("AUDIT_KEEP_MONTHS", "1200");
    let plan = plan.order_variable("NOTIFICATIONS_KEEP_MONTHS", "1200");
    let plan = plan.inventory_variable("MOVEMENTS_KEEP_MONTHS", "1200");
    let plan = plan.order_variable("ORDERS_KEEP_MONTHS", "1200");
    let sandbox = money::sandbox().await;
    let plan = plan.paid_by(&sandbox).order_variable("RECONCILE_AT", "00:00");
    let mut shop = plan.open().await;
    // The tables are filled from the third order on.
    for _ in 0..2 {
        shop.place(&[(MOUSE, 1)]).await;
    }
    stop(&mut shop).await;
    set(&shop, "plan_cache_mode", "force_generic_plan").await;
    set(&shop, "log_statement", "all").await;
    // Made with the first mail, which may have been written by now.
    shop.database.execute("DELETE FROM orders.guest_link_keys").await;
    accounts::fill(&shop).await;
    fill(&shop).await;
    let log = shop.postgres.as_ref().unwrap().log();
    let length = std::fs::read(&log).unwrap().len();
    for service in services(&mut shop) {
        service.start().await;
    }
    use_everything(&shop, "covered").await;
    place_later(&shop).await;
    let customer = format!("Bearer {}", shop.register("customer@example.com").await.token);
    shop.orders().get("/api/orders").header("authorization", &customer).await.is(200);
    rarely::claim_an_order(&shop, &customer).await;
    rarely::use_the_rest(&shop, "seldom").await;
    rarely::pay_by_card(&shop, &sandbox, "seldom").await;
    accounts::use_accounts(&mut shop).await;
    rarely::hear_of_an_order_from_an_earlier_build(&shop).await;
    let disabled = event("user.disabled", "x", json!({"userId": Uuid::now_v7()}));
    // It comes twice, as an event may.
    for _ in 0..2 {
        shop.broker().publish("user.disabled", &disabled.to_string()).await;
        shop.broker().drained(ORDER_ACCOUNT_EVENTS.name).await;
    }
    server.stop();

    let all = statements::all();
    let excused = |it: &statements::Statement| {
        NOT_RUN.iter().any(|(piece, _)| it.place.contains(piece) || it.text.contains(piece))
    };
    // Jobs take their time.
    poll::eventually("every statement to be run", async || {
        let ran = statements::run_since(&log, length);
        let missing = all.iter().filter(|it| it.reads_tables() && !it.is_among(&ran) && !excused(it));
        let missing: Vec<String> = missing.map(|it| format!("{}: {}", it.place, it.text)).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    })
    .await;
    stop(&mut shop).await;
    let walked = walked_through(&shop, MANY / 4).await;
    let is_excused = |it: &&String| WALKED.iter().any(|(name, _)| it.starts_with(name));
    // So much is done here that small steps in an index add up to its pages.
    let breaches: Vec<_> = walked.iter().filter(|it| it.ends_with(" rows") && !is_excused(it)).collect();
    assert_eq!(breaches, [""; 0], "walked through, and not excused");
}
