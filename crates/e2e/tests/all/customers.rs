//! One customer, however the e-mail address is written: in filters, in the erasure, and on the way to the mail server.

use e2e::client::Response;
use e2e::notices::told;
use e2e::samples::{MOUSE, int, order_of};
use e2e::shop::Shop;
use serde_json::json;

/// Escapes everything, as clients do that know how.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn place(shop: &Shop, email: &str) -> i64 {
    let placed = shop.orders().post("/api/orders", order_of(email, &[(MOUSE, 1)])).await.is(201).json();
    assert_eq!(placed["customerEmail"], email, "as it was written");
    int(&placed["id"])
}

async fn found(shop: &Shop, query: &str) -> Vec<i64> {
    let orders = shop.orders().get(&format!("/api/orders{query}")).await.is(200).array();
    orders.iter().map(|order| int(&order["id"])).collect()
}

async fn erase(shop: &Shop, email: &str) -> Response {
    shop.orders().delete(&format!("/api/notifications?customerEmail={email}")).await
}

async fn erased(shop: &Shop, email: &str) -> i64 {
    int(&erase(shop, email).await.is(200).json()["erased"])
}

#[tokio::test]
async fn a_customer_is_found_and_erased_in_every_spelling() {
    let shop = Shop::open().await;
    let spellings: [&[&str]; 4] = [
        &["Ada+Tag@Example.com", "ada+tag@example.com", "ADA+TAG@EXAMPLE.COM"],
        &["änne@example.com", "ÄNNE@EXAMPLE.com", "a\u{308}nne@example.com"],
        &["ada@münchen.de", "ADA@MÜNCHEN.DE", "ada@xn--mnchen-3ya.de", "ada@XN--MNCHEN-3YA.DE"],
        &["ΟΔΌΣ@example.com", "οδός@example.com", "οδόσ@example.com"],
    ];
    for spellings in spellings {
        let mut ids = Vec::new();
        for email in spellings {
            ids.push(place(&shop, email).await);
        }
        ids.reverse();
        for email in spellings {
            let email = escaped(email);
            assert_eq!(found(&shop, &format!("?customerEmail={email}")).await, ids, "{spellings:?}");
            assert_eq!(found(&shop, &format!("/customer/{email}")).await, ids, "{spellings:?}");
        }
        for id in &ids {
            told(&shop, *id, 4).await;
        }
        let last = escaped(spellings.last().unwrap());
        assert_eq!(erased(&shop, &last).await, 4 * ids.len() as i64, "{spellings:?}");
        assert_eq!(erased(&shop, &last).await, 0);
    }
    let left = "SELECT COUNT(*) FROM orders.notifications WHERE num_nonnulls(recipient, customer_email, data) > 0";
    assert_eq!(shop.database.number(left).await, 0);
}

#[tokio::test]
async fn a_plus_that_was_not_escaped_is_one() {
    let shop = Shop::open().await;
    let id = place(&shop, "ada+tag@example.com").await;
    told(&shop, id, 4).await;
    assert_eq!(found(&shop, "?customerEmail=ada+tag@example.com").await, [id]);
    assert_eq!(found(&shop, "/customer/ada+tag@example.com").await, [id]);
    assert_eq!(erased(&shop, "ada+tag@example.com").await, 4);
}

#[tokio::test]
async fn what_can_be_no_address_is_never_answered_with_success() {
    let shop = Shop::plan().without_broker().open().await;
    let none = [
        "",
        "nobody",
        "not an address",
        "ada@example",
        "ada..b@example.com",
        "mailto:ada@example.com",
        "ada@[127.0.0.1]",
        "ada tag@example.com",
        "ada@example.com/",
        "\u{200b}ada@example.com",
        "ada@example.com\0",
        "ada@exam ple.com",
    ];
    for email in none {
        let escaped = escaped(email);
        assert_eq!(erase(&shop, &escaped).await.fields_at_fault(), ["customerEmail"], "{email:?}");
        let refused = shop.orders().get(&format!("/api/orders?customerEmail={escaped}")).await;
        assert_eq!(refused.fields_at_fault(), ["customerEmail"], "{email:?}");
        if !email.is_empty() && email.trim() == email {
            let refused = shop.orders().get(&format!("/api/orders/customer/{escaped}")).await.is(400).json();
            assert!(refused["errors"]["email"].is_string(), "{email:?}: {refused}");
        }
        let refused = shop.orders().post("/api/orders", order_of(email, &[(MOUSE, 1)])).await;
        if email.trim() == email {
            assert_eq!(refused.fields_at_fault(), ["customerEmail"], "{email:?}");
        }
    }
    assert_eq!(erased(&shop, "nobody@example.com").await, 0, "it could be one");
}

#[tokio::test]
async fn rows_of_an_earlier_build_are_found_in_every_spelling() {
    let shop = Shop::open().await;
    let email = "ada@münchen.de";
    let id = place(&shop, email).await;
    told(&shop, id, 4).await;
    // That build wrote more than there is in one go.
    shop.database.execute("UPDATE orders.orders SET customer_key = NULL").await;
    let more = "INSERT INTO orders.orders (reference, customer_name, customer_email, shipping_address, status)
                SELECT gen_random_uuid(), 'Ada', 'ada@MÜNCHEN.de', 'London', 'CANCELLED' FROM generate_series(1, 1200)";
    shop.database.execute(more).await;
    assert_eq!(found(&shop, "?customerEmail=ada@xn--mnchen-3ya.de&orderNumber=ORD-00000001").await, [id]);
    assert_eq!(erased(&shop, "ada@xn--mnchen-3ya.de").await, 4);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders WHERE customer_key IS NULL").await, 0);
}

#[tokio::test]
async fn orders_of_customers_in_ascii_keep_no_key() {
    let shop = Shop::plan().without_broker().open().await;
    place(&shop, "Ada@Example.com").await;
    let body = json!({"note": "x"});
    shop.orders().patch("/api/orders/1", body).await.is(200);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders WHERE customer_key IS NULL").await, 1);
}
