//! Orders of customers, who say who they are by tokens: each sees their own, and nothing of anybody else's.

use e2e::client::{Call, Response};
use e2e::issuer::Issuer;
use e2e::samples::{LAPTOP, MOUSE, int, order};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Value, json};
use std::future::IntoFuture;
use uuid::Uuid;

/// Somebody with a token.
struct Person {
    id: Uuid,
    token: String,
}

impl Person {
    fn new(issuer: &Issuer, role: &str) -> Self {
        let id = Uuid::now_v7();
        Self { id, token: issuer.token(json!({"sub": id, "roles": [role]})) }
    }

    fn call(&self, shop: &Shop, method: Method, path: &str) -> Call {
        self.sends(shop.orders().call(method, path))
    }

    fn sends(&self, call: Call) -> Call {
        call.header("authorization", &format!("Bearer {}", self.token))
    }

    fn get(&self, shop: &Shop, path: &str) -> Call {
        self.call(shop, Method::GET, path)
    }

    async fn place(&self, shop: &Shop, key: &str) -> Response {
        self.sends(shop.orders().post("/api/orders", order(&[(MOUSE, 1)]))).key(key).await
    }
}

async fn shop(issuer: &Issuer) -> Shop {
    Shop::plan().without_broker().order_variable("AUTH_ISSUER", issuer.url()).open().await
}

/// Makes all calls at the same time; gives the answers in order.
async fn at_once(calls: impl Iterator<Item = Call>) -> Vec<Response> {
    let calls: Vec<_> = calls.map(|call| tokio::spawn(call.into_future())).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// The problem without what differs from one request to the next.
fn without_instance(answer: &Response, id: i64) -> Value {
    let mut problem = answer.json();
    problem["detail"] = json!(problem["detail"].to_string().replace(&id.to_string(), "ID"));
    for field in ["instance", "timestamp"] {
        problem[field] = Value::Null;
    }
    problem
}

#[tokio::test]
async fn an_order_is_its_customers() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let [ada, grace] = ["CUSTOMER"; 2].map(|role| Person::new(&issuer, role));
    let (admin, seller) = (Person::new(&issuer, "ADMIN"), Person::new(&issuer, "SELLER"));
    let placed = ada.place(&shop, "a").await.is(201).json();
    assert_eq!(placed["customerId"], json!(ada.id));
    let id = int(&placed["id"]);
    let path = format!("/api/orders/{id}");
    let missing = 999_999_999;
    for sub in ["", "/timeline", "/notifications"] {
        ada.get(&shop, &format!("{path}{sub}")).await.is(200);
        admin.get(&shop, &format!("{path}{sub}")).await.is(200);
        seller.get(&shop, &format!("{path}{sub}")).await.problem(403, "forbidden");
        for header in [None, Some("*"), Some("\"1\"")] {
            let get = |path: String| {
                let call = grace.get(&shop, &path);
                header.into_iter().fold(call, |call, tags| call.header("if-none-match", tags))
            };
            let others = get(format!("{path}{sub}")).await;
            others.problem(404, "not-found");
            let none = get(format!("/api/orders/{missing}{sub}")).await;
            assert_eq!(without_instance(&others, id), without_instance(&none, missing));
        }
    }
    let change = |person: &Person, method: Method, path: &str, body: Value| person.call(&shop, method, path).json(body);
    change(&grace, Method::PATCH, &path, json!({"note": "mine"})).await.problem(404, "not-found");
    change(&grace, Method::POST, &format!("{path}/cancel"), json!({})).await.problem(404, "not-found");
    change(&ada, Method::PUT, &format!("{path}/status"), json!({"status": "SHIPPED"})).await.problem(403, "forbidden");
    let patched = change(&ada, Method::PATCH, &path, json!({"note": "mine"})).await.is(200).json();
    assert_eq!(patched["note"], "mine");
    let noted = json!({"reason": "too late", "internalNote": "x"});
    let refused = change(&ada, Method::POST, &format!("{path}/cancel"), noted.clone()).await;
    assert_eq!(refused.fields_at_fault(), ["internalNote"]);
    change(&admin, Method::POST, &format!("{path}/cancel"), noted).await.is(200);
    let noted = |answer: Response| answer.is(200).array().iter().any(|entry| entry["internalNote"] == "x");
    assert!(noted(admin.get(&shop, &format!("{path}/timeline")).await));
    assert!(!noted(ada.get(&shop, &format!("{path}/timeline")).await));
}

#[tokio::test]
async fn a_list_has_the_orders_of_its_reader() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let [ada, grace] = ["CUSTOMER"; 2].map(|role| Person::new(&issuer, role));
    let admin = Person::new(&issuer, "ADMIN");
    let guest = int(&shop.place(&[(LAPTOP, 1)]).await["id"]);
    assert_eq!(shop.orders().get(&format!("/api/orders/{guest}")).await.json()["customerId"], Value::Null);
    let first = int(&ada.place(&shop, "1").await.is(201).json()["id"]);
    let other = int(&grace.place(&shop, "1").await.is(201).json()["id"]);
    shop.skip_a_bucket().await;
    let second = int(&ada.place(&shop, "2").await.is(201).json()["id"]);
    let ids = |answer: Response| answer.is(200).array().iter().map(|order| int(&order["id"])).collect::<Vec<_>>();
    assert_eq!(ids(admin.get(&shop, "/api/orders").await), [second, other, first, guest]);
    for query in ["", "?status=PENDING", "?createdFrom=2020-01-01T00:00:00Z", "?customerEmail=ada@example.com"] {
        assert_eq!(ids(ada.get(&shop, &format!("/api/orders{query}")).await), [second, first], "{query}");
        assert_eq!(ids(grace.get(&shop, &format!("/api/orders{query}")).await), [other], "{query}");
    }
    let page = ada.get(&shop, "/api/orders?limit=1").await.is(200);
    let next = page.next_page().unwrap();
    assert_eq!((ids(page), ids(ada.get(&shop, &next).await)), (vec![second], vec![first]));
    assert_eq!(ids(grace.get(&shop, &format!("/api/orders?orderNumber=ORD-{first}")).await), Vec::<i64>::new());
}

#[tokio::test]
async fn one_key_of_two_customers_is_two_orders() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let [ada, grace] = ["CUSTOMER"; 2].map(|role| Person::new(&issuer, role));
    // At once, so that they meet in one batch.
    let place =
        |n: usize| [&ada, &grace][n % 2].sends(shop.orders().post("/api/orders", order(&[(MOUSE, 1)]))).key("a");
    let answers = at_once((0..16).map(place)).await;
    let ids: Vec<i64> = answers.into_iter().map(|answer| int(&answer.is(201).json()["id"])).collect();
    assert!(ids.iter().step_by(2).all(|id| *id == ids[0]), "{ids:?}");
    assert!(ids.iter().skip(1).step_by(2).all(|id| *id == ids[1] && *id != ids[0]), "{ids:?}");
    for (person, id) in [(&ada, ids[0]), (&grace, ids[1])] {
        assert_eq!(person.get(&shop, &format!("/api/orders/{id}")).await.json()["customerId"], json!(person.id));
    }
}

#[tokio::test]
async fn readers_who_meet_in_a_batch_see_each_their_own() {
    let issuer = Issuer::start().await;
    let shop = shop(&issuer).await;
    let [ada, grace] = ["CUSTOMER"; 2].map(|role| Person::new(&issuer, role));
    let path = format!("/api/orders/{}", int(&ada.place(&shop, "a").await.is(201).json()["id"]));
    let answers = at_once((0..32).map(|n| [&ada, &grace][n % 2].get(&shop, &path))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404].repeat(16));
}
