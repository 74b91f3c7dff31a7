//! Pages of other origins: those that are named may call, and read what they are answered; others may not.

use e2e::client::{Call, Client, Response};
use e2e::samples::{MOUSE, order};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::json;

const SHOP: &str = "https://shop.example";

/// What a browser asks before it lets a page of this origin place an order.
fn asks(client: &Client, origin: &str) -> Call {
    let ask = client.call(Method::OPTIONS, "/api/orders").header("origin", origin);
    let ask = ask.header("access-control-request-method", "POST").header("sec-fetch-site", "cross-site");
    ask.header("access-control-request-headers", "authorization,content-type,idempotency-key,traceparent")
}

/// What a browser sends for a page of this origin.
fn by_page(call: Call, origin: &str) -> Call {
    call.header("origin", origin).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "cors")
}

/// The names in a header that lists them, in lower case.
fn names(answer: &Response, header: &str) -> Vec<String> {
    answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

fn readable_by(answer: &Response) -> Option<&str> {
    assert_eq!(answer.find_header("access-control-allow-credentials"), None);
    answer.find_header("access-control-allow-origin")
}

#[tokio::test]
async fn pages_of_named_origins_call_and_read() {
    let plan = Shop::plan().without_broker().with_accounts();
    let plan = plan.order_variable("CORS_ORIGINS", SHOP).order_variable("RATE_LIMIT_PER_SECOND", "3");
    let shop = plan.open().await;
    let ada = shop.register("ada@example.com").await;
    // A question costs nothing, and needs no token.
    for _ in 0..10 {
        let answer = asks(shop.orders(), SHOP).await.is(200);
        assert_eq!(readable_by(&answer), Some(SHOP));
        assert!(names(&answer, "access-control-allow-methods").contains(&"post".to_owned()));
        for header in
            ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "prefer", "read-after"]
        {
            assert!(names(&answer, "access-control-allow-headers").contains(&header.to_owned()), "{header}");
        }
        assert_eq!(answer.header("access-control-max-age"), "600");
    }
    let place = |client: &Client, origin: &str| by_page(client.post("/api/orders", order(&[(MOUSE, 1)])), origin);
    let customer = ada.calls(shop.orders());
    let placed = place(&customer, SHOP).await.is(201);
    assert_eq!(readable_by(&placed), Some(SHOP));
    let read = ["etag", "location", "retry-after", "ratelimit", "idempotency-replayed", "link", "www-authenticate"];
    for header in read.into_iter().chain(["read-after"]) {
        assert!(names(&placed, "access-control-expose-headers").contains(&header.to_owned()), "{header}");
    }
    // A page is no program on this machine, and reads why it is refused.
    let refused = place(shop.orders(), SHOP).await;
    refused.problem(403, "protected-mode");
    assert_eq!(readable_by(&refused), Some(SHOP));
    let wrong = place(&shop.orders().with_token("x"), SHOP).await;
    wrong.problem(401, "unauthenticated");
    assert_eq!(readable_by(&wrong), Some(SHOP));

    for other in ["https://evil.example", "http://shop.example", "https://shop.example:8443", "null"] {
        assert_eq!(readable_by(&asks(shop.orders(), other).await), None, "{other}");
        let refused = place(&customer, other).await;
        refused.problem(403, "protected-mode");
        assert_eq!(readable_by(&refused), None, "{other}");
    }
    // What is kept for one origin is not given to another.
    let live = shop.orders().get("/health/live").await.is(200);
    assert!(names(&live, "vary").contains(&"origin".to_owned()), "{:?}", live.headers);
}

#[tokio::test]
async fn without_the_setting_no_page_of_another_origin_calls() {
    let shop = Shop::plan().without_broker().with_accounts().open().await;
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        let live = client.get("/health/live").header("origin", SHOP).await.is(200);
        assert_eq!((readable_by(&live), live.find_header("vary")), (None, None));
    }
    let refused = asks(shop.orders(), SHOP).await;
    assert_eq!((refused.status, readable_by(&refused)), (405, None));
    by_page(shop.orders().post("/api/orders", order(&[(MOUSE, 1)])), SHOP).await.problem(403, "protected-mode");
}

#[tokio::test]
async fn what_is_no_origin_keeps_a_service_from_starting() {
    let mut shop = Shop::plan().without_broker().account_variable("CORS_ORIGINS", SHOP).open().await;
    let answer = by_page(shop.accounts().post("/api/auth/login", json!({})), SHOP).await;
    assert_eq!((answer.status, readable_by(&answer)), (400, Some(SHOP)));
    let services = shop.order_services.iter_mut().chain(&mut shop.inventory_services).chain(&mut shop.account_services);
    for service in services {
        service.kill();
        service.set("CORS_ORIGINS", "https://shop.example,*");
        service.launch();
        assert!(!service.ended().await.success());
        assert_eq!(
            service.log_lines(&["--cors-origins", "must be origins as browsers send them"]),
            1,
            "{}",
            service.log()
        );
    }
}
