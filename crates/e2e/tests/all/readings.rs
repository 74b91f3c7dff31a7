//! How requests are read where clients write the same thing in several ways, and where a value is at the edge of what can be.

use e2e::client::{Client, Response};
use e2e::samples::{HEADSET, LAPTOP, MOUSE, int, order, product, reservation, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

const ORDERS: &str = "/api/orders";
const PRODUCTS: &str = "/api/inventory/products";

async fn without_messages() -> Shop {
    Shop::plan().without_broker().open().await
}

fn ids(answer: &Response) -> Vec<i64> {
    answer.array().iter().map(|row| int(&row["id"])).collect()
}

#[tokio::test]
async fn a_key_counts_for_an_operation_however_its_path_is_written() {
    let shop = without_messages().await;
    let id = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    let cancel = |id: &str| shop.orders().post(&format!("{ORDERS}/{id}/cancel"), json!({"reason": "x"})).key("cancel");
    let first = cancel(&id.to_string()).await.is(200);
    let digits: String = id.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    for written in [format!("0{id}"), format!("%2B{id}"), digits] {
        let again = cancel(&written).await.is(200);
        assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text), "{written}");
    }
    let add = |id: &str| {
        let path = format!("{PRODUCTS}/{id}/add-stock");
        shop.inventory().post(&path, json!({"quantity": 1})).key("add")
    };
    add("2").await.is(200);
    add("02").await.is(200);
    assert_eq!(shop.database.stock(MOUSE).await, 201);
    // What no index takes is refused before it gets there.
    let mut random = 5_u32;
    let long: String = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if random & 0x8000_0000 == 0 { "0" } else { "%30" }
    })
    .take(12_000)
    .collect();
    cancel(&format!("{long}1")).await.problem(400, "invalid-path");
    add(&format!("{long}2")).await.problem(400, "invalid-path");
    // Kept by the build before this one, whose routes were the paths as they were sent.
    let kept = "SELECT COUNT(*) FROM orders.idempotency_keys WHERE route = 'POST /api/orders/1/cancel'";
    assert_eq!(shop.database.number(kept.to_owned()).await, 1);
}

#[tokio::test]
async fn a_time_is_read_with_any_offset_and_refused_beyond_the_year_9999() {
    let shop = without_messages().await;
    shop.place(&[(LAPTOP, 1)]).await;
    let reservations = "/api/inventory/reservations";
    let filters = [(shop.orders(), ORDERS, "createdFrom"), (shop.orders(), ORDERS, "createdTo")];
    for (client, path, name) in filters
        .into_iter()
        .chain([(shop.inventory(), reservations, "heldBefore"), (shop.inventory(), reservations, "unclaimedBefore")])
    {
        let ask = |time: &str| client.get(&format!("{path}?{name}={time}"));
        for time in [
            "2026-11-25T10:00:00+01:00",
            "2026-11-25T10:00:00%2B01:00",
            "2026-11-25t10:00:00.123456789z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T18:59:59-05:00",
        ] {
            ask(time).await.is(200);
        }
        for beyond in
            ["9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59-05:00", "10000-01-01T00:00:00Z", "2026-11-25", "now"]
        {
            assert_eq!(ask(beyond).await.fields_at_fault(), [name], "{beyond}");
        }
    }
    let now = "2026-11-25T10:00:00";
    let list = async |query: String| shop.orders().get(&format!("{ORDERS}?{query}")).await.is(200).array().len();
    assert_eq!(list(format!("createdFrom={now}+01:00")).await, list(format!("createdFrom={now}%2B01:00")).await);
}

#[tokio::test]
async fn every_answer_writes_times_with_six_digits() {
    let shop = Shop::open().await;
    let placed = shop.place(&[(LAPTOP, 1)]).await;
    let id = int(&placed["id"]);
    shop.order_becomes(id, "CONFIRMED").await;
    let paths = [
        format!("{ORDERS}/{id}"),
        format!("{ORDERS}/{id}/timeline"),
        "/api/notifications".to_owned(),
        format!("{ORDERS}/0"),
    ];
    let mut answers = vec![placed.to_string()];
    for path in paths {
        answers.push(shop.orders().get(&path).await.text);
    }
    for path in [PRODUCTS, "/api/inventory/products/1/movements", "/api/inventory/reservations"] {
        answers.push(shop.inventory().get(path).await.text);
    }
    let mut times = 0;
    for answer in &answers {
        for part in
            answer.split('"').filter(|part| part.len() > 19 && part.as_bytes()[10] == b'T' && part.ends_with('Z'))
        {
            assert_eq!(part.len(), "2026-01-31T12:00:00.000000Z".len(), "{part}");
            times += 1;
        }
    }
    assert!(times > 20, "the times were not found");
}

#[tokio::test]
async fn a_body_is_read_however_it_is_sent() {
    let shop = without_messages().await;
    let body = order(&[(LAPTOP, 1)]).to_string();
    let post = |body: Vec<u8>| shop.orders().call(Method::POST, ORDERS).body("application/json", body);
    post([b"\xef\xbb\xbf", body.as_bytes()].concat()).await.is(201);
    post(body.clone().into_bytes()).header("content-encoding", "identity").await.is(201);
    for coding in ["gzip", "deflate", "br"] {
        let refused = post(body.clone().into_bytes()).header("content-encoding", coding).await;
        refused.problem(415, "unsupported-media-type");
        assert_eq!(refused.header("accept-encoding"), "identity");
    }
    for whole in ["2.0", "2e0", "0.2E1", "200e-2"] {
        post(body.replace("\"quantity\":1", &format!("\"quantity\":{whole}")).into_bytes()).await.is(201);
    }
    for no_whole in ["1.5", "\"1\"", "1e400", "9223372036854775808", "true", "[1]"] {
        let refused = post(body.replace("\"quantity\":1", &format!("\"quantity\":{no_whole}")).into_bytes()).await;
        assert_eq!(refused.fields_at_fault(), ["items[0].quantity"], "{no_whole}");
    }
    // A key with the same number in another notation is no other request.
    let keyed = |quantity: &str| post(body.replace("\"quantity\":1", &format!("\"quantity\":{quantity}")).into_bytes());
    keyed("3").key("three").await.is(201);
    assert_eq!(keyed("3.0").key("three").await.is(201).header("idempotency-replayed"), "true");
}

/// Posts a body in chunks of which there are none; gives the first line of the answer.
async fn send_no_chunks(shop: &Shop, path: &str, content_type: &str) -> String {
    let address = shop.orders().base().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{content_type}");
    connection.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_body_that_may_be_left_out_may_be_empty_in_every_way() {
    let shop = without_messages().await;
    let cancel = async || {
        let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
        shop.orders().call(Method::POST, &format!("{ORDERS}/{id}/cancel"))
    };
    cancel().await.await.is(200);
    cancel().await.body("application/json", "").await.is(200);
    cancel().await.body("application/json", "null").await.is(200);
    cancel().await.body("application/json", "{}").await.is(200);
    let id = int(&shop.place(&[(MOUSE, 1)]).await["id"]);
    for content_type in ["Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", ""] {
        let status = send_no_chunks(&shop, &format!("{ORDERS}/{id}/cancel"), content_type).await;
        assert!(status.starts_with("HTTP/1.1 200 "), "{content_type}{status}");
    }
    cancel().await.body("text/plain", "x").await.problem(415, "unsupported-media-type");
    let refused =
        cancel().await.json(json!({"items": [{"productId": MOUSE, "quantity": 1}], "reason": "only one"})).await;
    assert_eq!(refused.fields_at_fault(), ["items"]);
}

#[tokio::test]
async fn every_field_at_fault_is_named_at_once() {
    let shop = without_messages().await;
    let body = json!({
        "customerName": 5, "customerEmail": "nope", "customerPhone": {"x": 1}, "items": [{"productId": "1", "quantity": 0}, []],
        "colour": "red"
    });
    let refused = shop.orders().post(ORDERS, body).await;
    let all = [
        "colour",
        "customerEmail",
        "customerName",
        "customerPhone",
        "items[0].productId",
        "items[0].quantity",
        "items[1]",
    ];
    assert_eq!(refused.fields_at_fault(), [&all[..], &["shippingAddress"]].concat());
    let batch =
        json!({"reservations": [["x"], {"id": "x", "items": [[1, 1]]}, reservation(Uuid::now_v7(), &[(HEADSET, 1)])]});
    let outcomes = shop.inventory().post("/api/inventory/reservations/batch", batch).await.is(200).array();
    let statuses: Vec<i64> = outcomes.iter().map(|outcome| int(&outcome["status"])).collect();
    assert_eq!(statuses, [400, 400, 201]);
    assert_eq!(outcomes[0]["body"]["errors"], json!({"body": "must be an object"}));
    assert_eq!(outcomes[1]["body"]["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "items[0]"]);
    let list = |client: &Client, filter: &str| client.get(&format!("{filter}&limit=0&cursor=x"));
    for (client, filter, field) in [
        (shop.orders(), "/api/orders?createdFrom=x", "createdFrom"),
        (shop.orders(), "/api/notifications?status=x", "status"),
        (shop.orders(), "/api/admin/dead-letters?consumer=x", "consumer"),
        (shop.inventory(), "/api/inventory/products?active=x", "active"),
        (shop.inventory(), "/api/inventory/reservations?status=x", "status"),
    ] {
        let mut fields = vec!["cursor", "limit", field];
        fields.sort_unstable();
        assert_eq!(list(client, filter).await.fields_at_fault(), fields, "{filter}");
    }
}

#[tokio::test]
async fn a_price_is_exactly_what_was_written() {
    let shop = without_messages().await;
    let create = |sku: &str, price: &str| {
        let body = product(sku, "1", 1).to_string().replace("\"price\":1", &format!("\"price\":{price}"));
        shop.inventory().call(Method::POST, PRODUCTS).body("application/json", body)
    };
    for (index, (price, kept)) in [
        ("19.9", "19.90"),
        ("199e-1", "19.90"),
        ("1.99e1", "19.90"),
        ("9999999999.99", "9999999999.99"),
        ("0.0100", "0.01"),
    ]
    .into_iter()
    .enumerate()
    {
        let created = create(&format!("EXACT-{index}"), price).await.is(201);
        assert!(created.text.contains(&format!("\"price\":{kept},")), "{price}: {}", created.text);
    }
    for wrong in [
        "1.9899999999999999999999999999999e0",
        "0.99999999999999999999999999999999999999e0",
        "1.999",
        "1e-3",
        "5e-324",
        "1e400",
        "10000000000",
        "0",
        "-0.01",
        "\"1\"",
        "{\"$serde_json::private::Number\": \"19.99\"}",
        "{\"$serde_json::private::RawValue\": \"19.99\"}",
        "[1]",
        "true",
    ] {
        assert_eq!(create("WRONG", wrong).await.fields_at_fault(), ["price"], "{wrong}");
    }
}

#[tokio::test]
async fn a_text_has_the_lines_that_make_sense() {
    let shop = without_messages().await;
    let placed = |field: &str, value: &str| {
        let mut body = order(&[(LAPTOP, 1)]);
        body[field] = json!(value);
        shop.orders().post(ORDERS, body)
    };
    for (field, written, kept) in [
        ("shippingAddress", "12 Main St\r\nLondon\tN1", "12 Main St\nLondon N1"),
        ("note", "one\rtwo\u{2028}three", "one\ntwo\nthree"),
        ("customerName", "  Zoë O’Neill ", "Zoë O’Neill"),
    ] {
        assert_eq!(text(&placed(field, written).await.is(201).json()[field]), kept);
    }
    for field in ["customerName", "customerEmail", "customerPhone"] {
        for hidden in ["\n", "\r\n", "\t", "\0", "\u{202e}", "\u{200b}", "\u{2060}"] {
            let refused = placed(field, &format!("a{hidden}b@example.com")).await;
            assert_eq!(refused.fields_at_fault(), [field], "{hidden:?}");
            let message = refused.json()["errors"][field].to_string();
            let first = hidden.chars().next().unwrap();
            assert!(field != "customerName" || message.contains(&format!("U+{:04X}", u32::from(first))), "{message}");
        }
    }
    for blank in ["\u{200b}", "\u{feff} \u{3164}", " \u{a0}"] {
        for field in ["customerName", "shippingAddress"] {
            assert_eq!(placed(field, blank).await.fields_at_fault(), [field], "{blank:?}");
        }
    }
    let create = |field: &str, value: &str| {
        let mut body = product("LINES-1", "1.00", 1);
        body[field] = json!(value);
        shop.inventory().post(PRODUCTS, body)
    };
    for field in ["sku", "name"] {
        for hidden in ["LF\n1", "a\u{200b}b", "\u{200b}\u{200b}", "a\u{2060}", "x\ty"] {
            assert_eq!(create(field, hidden).await.fields_at_fault(), [field], "{hidden:?}");
        }
    }
    assert_eq!(text(&create("description", "one\r\ntwo").await.is(201).json()["description"]), "one\ntwo");
}

#[tokio::test]
async fn the_pages_of_a_list_are_asked_for_in_one_way() {
    let shop = without_messages().await;
    for limit in ["0", "201", "-1", "1.5", "%2B5", "x", "1e1"] {
        assert_eq!(shop.inventory().get(&format!("{PRODUCTS}?limit={limit}")).await.fields_at_fault(), ["limit"]);
    }
    assert_eq!(ids(&shop.inventory().get(&format!("{PRODUCTS}?limit=2&sku=MOUSE-001")).await.is(200)), [MOUSE]);
    for (query, field) in
        [("limit=1&limit=2", "limit"), ("page=2", "page"), ("sku=", "sku"), ("active=maybe", "active")]
    {
        assert_eq!(shop.inventory().get(&format!("{PRODUCTS}?{query}")).await.fields_at_fault(), [field], "{query}");
    }
    for (query, field) in [("customer_email=a@b.c", "customer_email"), ("offset=50", "offset"), ("status=", "status")] {
        assert_eq!(shop.orders().get(&format!("{ORDERS}?{query}")).await.fields_at_fault(), [field], "{query}");
    }
    let refused = shop.orders().delete("/api/notifications?customerEmail=j%FCrgen@example.com").await;
    assert_eq!(refused.fields_at_fault(), ["customerEmail"]);
}

#[tokio::test]
async fn one_report_that_is_about_nothing_keeps_no_other_from_being_noted() {
    let shop = Shop::plan().without_broker().order_variable("BREVO_WEBHOOK_SECRET", "hush").open().await;
    let columns = "order_id, event_id, kind, channel, status, provider_id";
    let sent = "(1, gen_random_uuid(), 'order-placed', 'EMAIL', 'SENT', 'ok@x')";
    shop.database.execute(format!("INSERT INTO orders.notifications ({columns}) VALUES {sent}")).await;
    let report =
        |body: Value| shop.orders().post("/api/notifications/webhooks/brevo", body).header("x-webhook-secret", "hush");
    for odd in ["\0", "a\0b", &"x".repeat(5000)] {
        assert_eq!(int(&report(json!({"event": "delivered", "message-id": odd})).await.is(200).json()["changed"]), 0);
    }
    let both =
        json!([{"event": "delivered", "message-id": "\0"}, {"event": "delivered", "message-id": "<ok@x>", "later": 1}]);
    assert_eq!(int(&report(both).await.is(200).json()["changed"]), 1);
}
