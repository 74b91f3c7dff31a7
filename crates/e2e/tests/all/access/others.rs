//! What belongs to somebody else: on every path with an id the same answer as for what does not exist, and nothing of it in
//! a list or under an `Idempotency-Key`.

use super::{Operation, everything, operations};
use crate::contract::{PUBLIC, rule};
use e2e::client::{Call, Response};
use e2e::people::Person;
use e2e::samples::{MOUSE, order, text};
use e2e::shop::Shop;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The key under which everybody here sends everything.
const KEY: &str = "the-same-key";

/// A body that the operation takes.
fn body(name: &str) -> Value {
    match name {
        "post /api/orders" => order(&[(MOUSE, 1)]),
        "patch /api/orders/{id}" => json!({"note": "mine"}),
        "post /api/accounts/me/addresses" | "put /api/accounts/me/addresses/{id}" => {
            json!({"name": "Ada Lovelace", "lines": ["12 St James's Square"], "city": "London", "postcode": "SW1Y 4JH", "country": "GB"})
        }
        "put /api/accounts/me/addresses/{id}/default" => json!({"shipping": true}),
        "post /api/orders/{id}/payments" => json!({"method": "CASH_ON_DELIVERY"}),
        "post /api/payments/{id}/refunds" => json!({"reason": "scratched"}),
        "post /api/api-keys" => json!({"name": "Scanner", "roles": ["CUSTOMER"], "scopes": ["orders:read"]}),
        _ => json!({}),
    }
}

impl Operation<'_> {
    /// The call of this person, with a body that is taken.
    fn by(&self, person: &Person, id: &str) -> Call {
        let path = self.name.split_once(' ').unwrap().1.replace("{id}", id).replace("{account}", &person.id);
        let call = person.calls(self.client).call(self.method.clone(), &path);
        if self.document["requestBody"].is_object() { call.json(body(&self.name)) } else { call }
    }

    /// Whether people reach what is theirs by it.
    fn is_for_owners(&self) -> bool {
        let who = rule(&self.name).0;
        who == "people" || who.starts_with("customers")
    }

    /// Whether the document names the header.
    fn takes(&self, header: &str) -> bool {
        let parameters = self.document["parameters"].as_array().into_iter().flatten();
        parameters.filter_map(|it| it["name"].as_str()).any(|name| name.eq_ignore_ascii_case(header))
    }
}

/// Somebody's things, by the path on which they are found.
struct Things(BTreeMap<&'static str, String>);

impl Things {
    /// Makes one of each.
    async fn of(shop: &Shop, person: &Person) -> Self {
        let orders = person.calls(shop.orders());
        let placed = orders.post("/api/orders", body("post /api/orders")).key(KEY).await.is(201).json();
        let made = async |path: &str| {
            let body = body(&format!("post {path}"));
            text(&person.accounts().post(path, body).key(KEY).await.is(201).json()["id"]).to_owned()
        };
        let sessions = person.accounts().get("/api/auth/sessions").await.is(200).array();
        let order = placed["id"].to_string();
        let payment = json!({"method": "CASH_ON_DELIVERY"});
        let payment = orders.post(&format!("/api/orders/{order}/payments"), payment).key(KEY).await.is(201).json();
        orders.post(&format!("/api/orders/{order}/cancel"), json!({})).key(KEY).await.is(200);
        let address = made("/api/accounts/me/addresses").await;
        Self(BTreeMap::from([
            ("/api/orders/{id}", order),
            ("/api/payments/{id}", payment["id"].to_string()),
            ("/api/inventory/reservations/{id}", text(&placed["reference"]).to_owned()),
            ("/api/accounts/{id}", person.id.clone()),
            ("/api/accounts/me/addresses/{id}", address.clone()),
            ("/internal/accounts/{account}/addresses/{id}", address),
            ("/api/api-keys/{id}", made("/api/api-keys").await),
            ("/api/auth/sessions/{id}", text(&sessions[0]["id"]).to_owned()),
            // Of nobody, and for none of them.
            ("/api/inventory/products/{id}", "1".to_owned()),
            ("/api/notifications/{id}", "1".to_owned()),
            ("/api/admin/dead-letters/{id}", Uuid::now_v7().to_string()),
            ("/api/admin/payments/findings/{id}", "1".to_owned()),
            ("/internal/codes/{id}/take", Uuid::now_v7().to_string()),
        ]))
    }

    /// The id for a path, and one like it that nothing has.
    fn id_and_missing(&self, path: &str) -> (&str, String) {
        let found = self.0.iter().find(|(prefix, _)| path.starts_with(*prefix));
        let (_, id) = found.unwrap_or_else(|| panic!("nobody has anything on {path}"));
        (id, if id.parse::<Uuid>().is_ok() { Uuid::now_v7().to_string() } else { "999999999".to_owned() })
    }
}

/// Everything that a client sees, without what differs from one request to the next.
fn seen(answer: &Response, id: &str) -> (u16, Vec<String>, Value) {
    let names = answer.headers.keys().map(ToString::to_string).collect();
    let mut problem: Value = serde_json::from_str(&answer.text.replace(id, "ID")).unwrap();
    for field in ["instance", "timestamp"] {
        problem[field] = Value::Null;
    }
    (answer.status, names, problem)
}

#[tokio::test]
async fn what_is_anothers_answers_like_what_is_not_there() {
    let shop = everything().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let things = Things::of(&shop, &ada).await;
    let mut walked = 0;
    for operation in operations(&shop).await {
        let (name, path) = (&operation.name, operation.name.split_once(' ').unwrap().1);
        if !path.contains("{id}") || rule(name) == PUBLIC {
            continue;
        }
        let (id, missing) = things.id_and_missing(path);
        for (header, value) in [
            ("accept", "*/*"),
            ("if-none-match", "*"),
            ("if-none-match", "\"1\""),
            ("if-match", "*"),
            ("if-match", "\"1\""),
            ("idempotency-key", KEY),
        ] {
            if header != "accept" && !operation.takes(header) {
                continue;
            }
            let theirs = operation.by(&bob, id).header(header, value).await;
            let none = operation.by(&bob, &missing).header(header, value).await;
            assert_eq!(theirs.status, if operation.is_for_owners() { 404 } else { 403 }, "{name}: {}", theirs.text);
            assert_eq!(seen(&theirs, id), seen(&none, &missing), "{name} with {header}: {value}");
        }
        walked += usize::from(operation.is_for_owners());
    }
    assert!(walked >= 12, "{walked} operations are for owners");
    // Nothing of it has changed anything.
    for path in ["/api/accounts/me/addresses/{id}", "/api/api-keys/{id}"] {
        let (id, _) = things.id_and_missing(path);
        ada.accounts().get(&path.replace("{id}", id)).await.is(200);
    }
    assert_eq!(ada.accounts().get("/api/auth/sessions").await.is(200).array().len(), 1);
}

#[tokio::test]
async fn no_list_shows_what_is_anothers() {
    let shop = everything().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    let (of_ada, of_bob) = (Things::of(&shop, &ada).await, Things::of(&shop, &bob).await);
    let shows = |answer: &Response, things: &Things| {
        things.0.values().filter(|id| id.parse::<Uuid>().is_ok()).any(|id| answer.text.contains(id.as_str()))
    };
    for operation in operations(&shop).await {
        let name = &operation.name;
        if !name.starts_with("get ") || name.contains('{') || !operation.is_for_owners() {
            continue;
        }
        for (person, own, others) in [(&ada, &of_ada, &of_bob), (&bob, &of_bob, &of_ada)] {
            let answer = operation.by(person, "").await.is(200);
            assert!(shows(&answer, own) && !shows(&answer, others), "{name}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_key_of_another_is_another_key_on_every_call_that_takes_one() {
    let shop = everything().open().await;
    let (ada, bob) = (shop.register("ada@example.com").await, shop.register("bob@example.com").await);
    for operation in operations(&shop).await {
        let name = &operation.name;
        if name.contains('{') || !operation.takes("idempotency-key") || !operation.is_for_owners() {
            continue;
        }
        let send = async |person: &Person| operation.by(person, "").key(KEY).await.is(201);
        let (first, again, other) = (send(&ada).await, send(&ada).await, send(&bob).await);
        assert_eq!(again.header("idempotency-replayed"), "true", "{name}");
        assert_eq!(again.json()["id"], first.json()["id"], "{name}");
        assert_eq!(other.find_header("idempotency-replayed"), None, "{name}");
        assert_ne!(other.json()["id"], first.json()["id"], "{name}");
    }
}
