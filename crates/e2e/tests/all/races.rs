//! Promises P1 and P3 under a rush: nothing is sold twice, nothing is lost, nobody waits for ever.

use e2e::poll::{equal, eventually};
use e2e::samples::{HEADSET, KEYBOARD, LAPTOP, MONITOR, MOUSE, int, order, reservation};
use e2e::shop::Shop;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use uuid::Uuid;

/// Runs all at once; gives how often each status was answered.
async fn rush<F: Future<Output = u16> + Send + 'static>(calls: impl IntoIterator<Item = F>) -> BTreeMap<u16, usize> {
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    let mut statuses = BTreeMap::new();
    for task in tasks {
        *statuses.entry(task.await.unwrap()).or_default() += 1;
    }
    statuses
}

#[tokio::test]
async fn two_hundred_buyers_get_fifty_pieces() {
    let shop = Shop::plan().pairs(2).open().await;
    let buyers = (0..200).map(|buyer| {
        let client = shop.order_services[buyer % 2].client().clone();
        async move { client.post("/api/orders", order(&[(LAPTOP, 1)])).await.status }
    });
    assert_eq!(rush(buyers).await, BTreeMap::from([(201, 50), (409, 150)]));
    shop.assert_invariants().await;
    assert_eq!(shop.database.stock(LAPTOP).await, 0);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM orders.orders").await, 50);
    assert_eq!(shop.database.number("SELECT COUNT(*) FROM inventory.reservations").await, 50);
}

#[tokio::test]
async fn single_reservations_at_two_instances_sell_no_piece_twice() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let buyers = (0..120).map(|buyer| {
        let client = shop.inventory_services[buyer % 2].client().clone();
        let body = reservation(Uuid::now_v7(), &[(MONITOR, 1)]);
        async move { client.post("/api/inventory/reservations", body).await.status }
    });
    assert_eq!(rush(buyers).await, BTreeMap::from([(201, 30), (409, 90)]));
    assert_eq!(shop.database.stock(MONITOR).await, 0);
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn products_in_opposite_orders_do_not_lock_up() {
    let shop = Shop::plan().pairs(2).open().await;
    let pairs = [(LAPTOP, MOUSE), (MOUSE, KEYBOARD), (KEYBOARD, LAPTOP), (MONITOR, MOUSE), (LAPTOP, MONITOR)];
    let buyers = (0..100).map(|buyer| {
        let client = shop.order_services[buyer % 2].client().clone();
        let (one, other) = pairs[buyer % 5];
        let lines = if buyer % 4 < 2 { [(one, 1), (other, 1)] } else { [(other, 1), (one, 1)] };
        async move { client.post("/api/orders", order(&lines)).await.status }
    });
    // By hand in between, which takes the rows one by one.
    let by_hand = (0..50).map(|call| {
        let client = shop.inventory_services[call % 2].client().clone();
        let change = if call % 4 < 2 { "add-stock" } else { "reduce-stock" };
        let path = format!("/api/inventory/products/{}/{change}", call as i64 % 4 + 1);
        async move { client.post(&path, json!({"quantity": 1})).await.status }
    });
    let (orders, stock) = tokio::join!(rush(buyers), rush(by_hand));
    assert!(orders.keys().all(|status| matches!(status, 201 | 409)), "{orders:?}");
    assert!(orders[&201] >= 50, "{orders:?}");
    // What the orders have sold out cannot be taken out by hand; 26 calls add.
    assert!(stock.keys().all(|status| matches!(status, 200 | 409)) && stock[&200] >= 26, "{stock:?}");
    shop.assert_invariants().await;
}

#[tokio::test]
async fn conflicting_changes_end_in_one_legal_history() {
    let shop = Shop::plan().pairs(2).open().await;
    for _ in 0..3 {
        let placed = shop.place(&[(HEADSET, 1)]).await;
        let id = int(&placed["id"]);
        let changes = ["CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED"];
        let calls = (0..20).map(|call| {
            let client = shop.order_services[call % 2].client().clone();
            let (path, body) = match call % 5 {
                4 => (format!("/api/orders/{id}/cancel"), json!({})),
                change => (format!("/api/orders/{id}/status"), json!({"status": changes[change]})),
            };
            let call = if path.ends_with("cancel") { client.post(&path, body) } else { client.put(&path, body) };
            async move { call.await.status }
        });
        let statuses = rush(calls).await;
        assert!(statuses.keys().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
        let timeline = shop.timeline(id).await;
        assert!(
            timeline.contains(&"CANCELLED".to_owned()) || timeline.contains(&"DELIVERED".to_owned()),
            "{timeline:?}"
        );
    }
    shop.assert_invariants().await;
}

#[tokio::test]
async fn stock_by_hand_at_once_is_conserved() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let calls = (0..100).map(|call| {
        let client = shop.inventory_services[call % 2].client().clone();
        let change = if call % 4 < 2 { "add-stock" } else { "reduce-stock" };
        let path = format!("/api/inventory/products/{MOUSE}/{change}");
        async move { client.post(&path, json!({"quantity": 3})).await.status }
    });
    assert_eq!(rush(calls).await, BTreeMap::from([(200, 100)]));
    assert_eq!(shop.database.stock(MOUSE).await, 200);
    let movements = format!("SELECT COUNT(*) FROM inventory.stock_movements WHERE product_id = {MOUSE}");
    assert_eq!(shop.database.number(movements).await, 101);
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn stock_that_goes_back_and_stock_that_goes_out_are_both_counted() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let ids: Vec<Uuid> = (0..60).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        let lines = [(MOUSE, 1), (KEYBOARD, 1)];
        shop.inventory().post("/api/inventory/reservations", reservation(*id, &lines)).await.is(201);
    }
    let releases = ids.into_iter().enumerate().map(|(call, id)| {
        let client = shop.inventory_services[call % 2].client().clone();
        let path = format!("/api/inventory/reservations/{id}/release");
        async move { client.post(&path, json!({})).await.status }
    });
    let sales = (0..60).map(|call| {
        let client = shop.inventory_services[call % 2].client().clone();
        let body = reservation(Uuid::now_v7(), &[(MOUSE, 1)]);
        async move { client.post("/api/inventory/reservations", body).await.status }
    });
    let (releases, sales) = tokio::join!(rush(releases), rush(sales));
    assert_eq!((releases, sales), (BTreeMap::from([(200, 60)]), BTreeMap::from([(201, 60)])));
    assert_eq!((shop.database.stock(MOUSE).await, shop.database.stock(KEYBOARD).await), (140, 75));
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn only_one_of_many_writers_with_one_version_wins() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let path = format!("/api/inventory/products/{MOUSE}");
    let etag = shop.inventory().get(&path).await.is(200).header("etag").to_owned();
    let writers = (0..20).map(|writer| {
        let client = shop.inventory_services[writer % 2].client().clone();
        let body = e2e::samples::product("MOUSE-001", "30.00", 100 + writer as i64);
        let (path, etag) = (path.clone(), etag.clone());
        async move { client.put(&path, body).header("if-match", &etag).await.status }
    });
    assert_eq!(rush(writers).await, BTreeMap::from([(200, 1), (412, 19)]));
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn the_same_sku_at_once_is_created_once() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    let calls = (0..20).map(|call| {
        let client = shop.inventory_services[call % 2].client().clone();
        let body = e2e::samples::product("NEW-1", "30.00", 5);
        async move { client.post("/api/inventory/products", body).await.status }
    });
    assert_eq!(rush(calls).await, BTreeMap::from([(201, 1), (409, 19)]));
}

#[tokio::test]
async fn commit_and_release_at_once_have_one_winner() {
    let shop = Shop::plan().inventory_only().pairs(2).open().await;
    for _ in 0..5 {
        let id = Uuid::now_v7();
        shop.inventory().post("/api/inventory/reservations", reservation(id, &[(HEADSET, 8)])).await.is(201);
        let calls = (0..12).map(|call| {
            let client = shop.inventory_services[call % 2].client().clone();
            let verb = if call % 4 < 2 { "commit" } else { "release" };
            let path = format!("/api/inventory/reservations/{id}/{verb}");
            async move { client.post(&path, json!({})).await.status }
        });
        assert_eq!(rush(calls).await, BTreeMap::from([(200, 6), (409, 6)]));
        if shop.database.stock(HEADSET).await == 0 {
            let restock = format!("/api/inventory/products/{HEADSET}/add-stock");
            shop.inventory().post(&restock, json!({"quantity": 8})).await.is(200);
        }
        assert_eq!(shop.database.stock(HEADSET).await, 8);
    }
    assert!(shop.database.texts("SELECT sku FROM inventory.stock_breaches").await.is_empty());
}

#[tokio::test]
async fn a_rush_on_one_order_leaves_connections_to_the_others() {
    let shop = Shop::plan().order_variable("DATABASE_MAX_CONNECTIONS", "8").open().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let lock = shop.database.lock(format!("SELECT FROM orders.orders WHERE id = {id} FOR UPDATE")).await;
    let client = shop.orders().clone();
    let calls = (0..40).map(move |number| {
        let (client, path) = (client.clone(), format!("/api/orders/{id}"));
        async move {
            match number % 2 {
                0 => client.post(&format!("{path}/cancel"), json!({})).await.status,
                _ => client.patch(&path, json!({"note": "Please ring twice"})).await.status,
            }
        }
    });
    let rush = tokio::spawn(rush(calls));
    eventually("a few to wait in the database", async || equal(shop.database.waiting().await, 4)).await;
    for _ in 0..3 {
        shop.place(&[(MOUSE, 1)]).await;
        shop.orders().get(&format!("/api/orders/{id}/timeline")).await.is(200);
    }
    assert_eq!(shop.database.waiting().await, 4);
    lock.rollback().await.unwrap();
    assert_eq!(rush.await.unwrap().values().sum::<usize>(), 40);
    shop.orders().get(&format!("/api/orders/{id}")).await.is(200);
    let other = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    shop.orders().post(&format!("/api/orders/{other}/cancel"), json!({})).await.is(200);
}

#[tokio::test]
async fn slow_lists_leave_half_of_the_connections_to_orders() {
    let shop = Shop::plan().without_broker().order_variable("DATABASE_MAX_CONNECTIONS", "8").open().await;
    let lock = shop.database.lock("LOCK TABLE orders.notifications IN ACCESS EXCLUSIVE MODE".to_owned()).await;
    let client = shop.orders().clone();
    let lists = (0..20).map(move |_| {
        let client = client.clone();
        async move { client.get("/api/notifications").await.status }
    });
    let lists = tokio::spawn(rush(lists));
    let waiting = async || shop.database.waiting_in("ORDER BY n.id DESC").await;
    eventually("lists to wait in the database", async || equal(waiting().await, 4)).await;
    for _ in 0..3 {
        let placed = shop.place(&[(MOUSE, 1)]).await;
        shop.orders().get(&format!("/api/orders/{}", int(&placed["id"]))).await.is(200);
    }
    assert_eq!(waiting().await, 4);
    lock.rollback().await.unwrap();
    assert_eq!(lists.await.unwrap(), BTreeMap::from([(200, 20)]));
}
