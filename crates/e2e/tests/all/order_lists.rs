//! Lists of orders: filters and pages.

use e2e::pages;
use e2e::samples::{LAPTOP, MOUSE, int, order_of, text};
use e2e::shop::Shop;
use serde_json::{Value, json};

const ORDERS: &str = "/api/orders";

/// Twelve orders: two each by six customers; the second of each is cancelled. The second of Bob comes long after his
/// first, the others together.
async fn shop_with_orders() -> (Shop, Vec<Value>) {
    let shop = Shop::plan().without_broker().open().await;
    let mut placed = Vec::new();
    for customer in ["ann", "Bob", "cy", "dee", "eve+shop", "fay"] {
        for attempt in 0..2 {
            if (customer, attempt) == ("Bob", 1) {
                shop.skip_a_bucket().await;
            }
            let body = order_of(&format!("{customer}@Example.com"), &[(MOUSE, 1)]);
            let order = shop.orders().post(ORDERS, body).await.is(201).json();
            if attempt == 1 {
                let cancel = format!("{ORDERS}/{}/cancel", int(&order["id"]));
                shop.orders().post(&cancel, json!({})).await.is(200);
            }
            placed.push(order);
        }
    }
    (shop, placed)
}

fn ids(rows: &[Value]) -> Vec<i64> {
    pages::ids(rows)
}

#[tokio::test]
async fn pages_lead_through_every_order_newest_first() {
    let (shop, placed) = shop_with_orders().await;
    let mut newest_first = ids(&placed);
    newest_first.reverse();
    for limit in [1, 5, 12, 200] {
        assert_eq!(ids(&pages::all(shop.orders(), ORDERS, limit).await), newest_first);
    }
    let first = shop.orders().get(&format!("{ORDERS}?limit=5")).await.is(200);
    shop.place(&[(LAPTOP, 1)]).await;
    let second = shop.orders().get(&first.next_page().unwrap()).await.is(200);
    assert_eq!(ids(&second.array()), newest_first[5..10], "an order placed meanwhile shifts nothing");
    let whole = shop.orders().get(&format!("{ORDERS}/{}", newest_first[0])).await.is(200).json();
    assert_eq!(first.array()[0], whole, "a row of the list is the whole order");
}

#[tokio::test]
async fn orders_are_found_by_status() {
    let (shop, placed) = shop_with_orders().await;
    let cancelled: Vec<i64> = ids(&placed).into_iter().skip(1).step_by(2).rev().collect();
    for path in ["?status=CANCELLED", "?status=cancelled", "/status/CANCELLED", "/status/cancelled"] {
        assert_eq!(ids(&pages::all(shop.orders(), &format!("{ORDERS}{path}"), 4).await), cancelled, "{path}");
    }
    assert_eq!(pages::all(shop.orders(), &format!("{ORDERS}/status/PENDING"), 6).await.len(), 6);
    assert!(shop.orders().get(&format!("{ORDERS}/status/SHIPPED")).await.is(200).array().is_empty());
    for path in ["?status=LOST", "/status/LOST"] {
        let refused = shop.orders().get(&format!("{ORDERS}{path}")).await;
        assert_eq!(refused.fields_at_fault(), ["status"]);
        assert!(text(&refused.json()["errors"]["status"]).contains("PENDING, PAID, CONFIRMED"), "{}", refused.text);
    }
}

#[tokio::test]
async fn orders_are_found_by_customer_whatever_the_case() {
    let (shop, placed) = shop_with_orders().await;
    let of_bob: Vec<i64> = ids(&placed)[2..4].iter().rev().copied().collect();
    for path in ["?customerEmail=bob@example.com", "?customerEmail=BOB@EXAMPLE.COM", "/customer/bOb@example.com"] {
        assert_eq!(ids(&pages::all(shop.orders(), &format!("{ORDERS}{path}"), 1).await), of_bob, "{path}");
    }
    for path in ["?customerEmail=eve%2Bshop@example.com", "/customer/eve%2Bshop@example.com"] {
        assert_eq!(pages::all(shop.orders(), &format!("{ORDERS}{path}"), 1).await.len(), 2, "{path}");
    }
    let both = format!("{ORDERS}?customerEmail=bob@example.com&status=PENDING");
    assert_eq!(ids(&pages::all(shop.orders(), &both, 1).await), of_bob[1..]);
    assert!(shop.orders().get(&format!("{ORDERS}/customer/nobody@x.org")).await.is(200).array().is_empty());
}

#[tokio::test]
async fn orders_are_found_by_time() {
    let (shop, placed) = shop_with_orders().await;
    let at = |position: usize| text(&placed[position]["createdAt"]).to_owned();
    let list = async |query: String| ids(&pages::all(shop.orders(), &format!("{ORDERS}?{query}"), 5).await);
    let all = ids(&placed);
    let newest_first = |range: std::ops::Range<usize>| all[range].iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(list(format!("createdFrom={}", at(9))).await, newest_first(9..12), "from is inclusive");
    assert_eq!(list(format!("createdTo={}", at(3))).await, newest_first(0..3), "to is exclusive");
    assert_eq!(list(format!("createdFrom={}&createdTo={}", at(2), at(7))).await, newest_first(2..7));
    assert_eq!(list("createdFrom=2020-01-01T00:00:00%2B02:00&status=PENDING".to_owned()).await.len(), 6);
    let refused = shop.orders().get(&format!("{ORDERS}?createdFrom=today&createdTo=1&status=x")).await;
    assert_eq!(refused.fields_at_fault(), ["createdFrom", "createdTo", "status"]);
    let behind_none = shop.orders().get(&format!("{ORDERS}?createdFrom=2020-01-01T00:00:00Z&cursor=999")).await;
    assert_eq!(behind_none.is(200).array(), Vec::<Value>::new());
    shop.database.execute("UPDATE orders.orders SET created_at = '2026-01-31T12:00:00Z'").await;
    let of_one_moment = list("createdFrom=2026-01-31T12:00:00Z&createdTo=2026-01-31T12:00:01Z".to_owned()).await;
    assert_eq!(of_one_moment, newest_first(0..12), "orders of one moment come by number, each once");
}

#[tokio::test]
async fn an_order_is_found_by_its_reference() {
    let (shop, placed) = shop_with_orders().await;
    let list = async |query: String| shop.orders().get(&format!("{ORDERS}?reference={query}")).await;
    let found = list(text(&placed[4]["reference"]).to_owned()).await.is(200).array();
    assert_eq!(ids(&found), ids(&placed[4..5]));
    assert!(list("01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70".to_owned()).await.is(200).array().is_empty());
    assert_eq!(list("seven".to_owned()).await.fields_at_fault(), ["reference"]);
}

#[tokio::test]
async fn an_order_is_found_by_its_number() {
    let (shop, placed) = shop_with_orders().await;
    for wanted in [&placed[0], &placed[7]] {
        let number = text(&wanted["orderNumber"]);
        for number in [number.to_owned(), number.to_lowercase(), format!("ORD-{}", int(&wanted["id"]))] {
            let found = shop.orders().get(&format!("{ORDERS}?orderNumber={number}")).await.is(200).array();
            assert_eq!(ids(&found), [int(&wanted["id"])], "{number}");
        }
    }
    let none = shop.orders().get(&format!("{ORDERS}?orderNumber={}&status=SHIPPED", text(&placed[0]["orderNumber"])));
    assert!(none.await.is(200).array().is_empty(), "filters are combined");
    assert!(shop.orders().get(&format!("{ORDERS}?orderNumber=ORD-99999999")).await.is(200).array().is_empty());
    for number in ["", "7", "ORD-", "ORD-0", "ORD-x", "ORD-99999999999999999999", "INV-00000001", "%00"] {
        let refused = shop.orders().get(&format!("{ORDERS}?orderNumber={number}")).await;
        assert_eq!(refused.fields_at_fault(), ["orderNumber"], "{number}");
    }
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let shop = Shop::plan().without_broker().open().await;
    for list in ["", "/status/PENDING", "/customer/a@example.com"] {
        let refused = shop.orders().get(&format!("{ORDERS}{list}?limit=1000&cursor=%00")).await;
        assert_eq!(refused.fields_at_fault(), ["cursor", "limit"], "{list}");
    }
}
