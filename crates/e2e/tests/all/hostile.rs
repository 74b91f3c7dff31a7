//! Every route of both services, as its document lists it, with input that no route can make sense of. A route that comes is
//! tested by itself.

use e2e::client::{Call, Client, Response};
use e2e::issuer::Issuer;
use e2e::samples::{LAPTOP, MOUSE, order, reservation, text};
use e2e::shop::Shop;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const SECRET: &str = "hush";

/// Words of serde and of our code that no answer may show.
const INTERNALS: [&str; 8] = ["struct ", "i64", "expected ", "variant", "serde", "Option", "newtype", "tuple"];

/// What the services say of their routes, and a customer's token for routes that are for customers alone.
struct Documents {
    all: [Value; 2],
    customer: String,
    _issuer: Issuer,
}

/// One operation of a document.
struct Route<'a> {
    client: Client,
    document: &'a Value,
    method: Method,
    path: String,
    operation: &'a Value,
}

impl Route<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn parameters(&self, place: &str) -> Vec<&str> {
        let all = self.operation["parameters"].as_array().into_iter().flatten();
        all.filter(|it| it["in"] == place).map(|it| it["name"].as_str().unwrap()).collect()
    }

    /// The path with something that exists for every parameter, but for those given here.
    fn filled(&self, reference: &str, other: Option<(&str, &str)>) -> String {
        let mut path = self.path.clone();
        for name in self.parameters("path") {
            let exists = match name {
                "status" => "PENDING",
                "email" => "ada@example.com",
                _ if self.path.contains("/reservations/") => reference,
                _ => "1",
            };
            let value = other.filter(|(hostile, _)| *hostile == name).map_or(exists, |(_, value)| value);
            path = path.replace(&format!("{{{name}}}"), value);
        }
        path
    }

    /// A call without a body, with what the route needs beside it.
    fn call(&self, path: &str) -> Call {
        self.client.call(self.method.clone(), path).header("x-webhook-secret", SECRET)
    }

    fn schema<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
            None => schema,
        }
    }

    /// The schema of the body, where the route takes one, and whether it may be left out.
    fn body(&self) -> Option<(&Value, bool)> {
        let schema = &self.operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return None;
        }
        let either = schema["oneOf"].as_array().and_then(|either| either.iter().find(|it| it["type"] != "null"));
        Some((self.schema(either.unwrap_or(schema)), either.is_some()))
    }

    fn passes_over_unknown(&self) -> bool {
        !self.operation["x-passes-over-unknown"].is_null() || !self.path.starts_with("/api/")
    }
}

/// A shop with an order, a reservation and a message, and both documents.
async fn shop() -> (Shop, String, Documents) {
    let issuer = Issuer::start().await;
    let plan = Shop::plan().without_broker().order_variable("BREVO_WEBHOOK_SECRET", SECRET);
    let shop = plan.order_variable("AUTH_ISSUER", issuer.url()).open().await;
    shop.place(&[(LAPTOP, 1)]).await;
    let reference = Uuid::now_v7();
    shop.inventory().post("/api/inventory/reservations", reservation(reference, &[(MOUSE, 1)])).await.is(201);
    let path = "/api-docs/openapi.json";
    let all = [shop.orders().get(path).await.json(), shop.inventory().get(path).await.json()];
    let documents = Documents { all, customer: issuer.token(json!({})), _issuer: issuer };
    (shop, reference.to_string(), documents)
}

fn routes<'a>(shop: &Shop, documents: &'a Documents) -> Vec<Route<'a>> {
    let mut routes = Vec::new();
    for (client, document) in [shop.orders(), shop.inventory()].into_iter().zip(&documents.all) {
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase().parse().unwrap();
                let for_customers = operation["x-access"]["admin"] == "none";
                let client = if for_customers { client.with_token(&documents.customer) } else { client.clone() };
                routes.push(Route { client, document, method, path: path.clone(), operation });
            }
        }
    }
    assert!(routes.len() > 40, "the routes were not found");
    routes
}

/// A 400 that names the field, in words of ours.
#[track_caller]
fn names(what: &str, answer: &Response, field: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text);
    let problem = answer.json();
    assert!(problem["errors"][field].is_string(), "{what} does not name {field}: {problem}");
    in_plain_words(what, answer);
}

#[track_caller]
fn in_plain_words(what: &str, answer: &Response) {
    let problem = answer.json();
    // A field that the client made up is named as it wrote it.
    let detail = problem["detail"].to_string().replace("payment.$serde_json::private::Number is not known here", "");
    for word in INTERNALS {
        assert!(!detail.contains(word), "{what} says {word:?}: {problem}");
    }
}

#[tokio::test]
async fn no_route_takes_a_query_that_it_does_not_understand() {
    let (shop, reference, documents) = shop().await;
    for route in routes(&shop, &documents) {
        let path = route.filled(&reference, None);
        let known = route.parameters("query");
        if route.passes_over_unknown() {
            let answer = route.call(&format!("{path}?nosuch=1&nosuch=%zz")).await;
            assert!(answer.status < 500 && !answer.text.contains("nosuch"), "{}: {}", route.name(), answer.text);
            continue;
        }
        names(&route.name(), &route.call(&format!("{path}?nosuch=1")).await, "nosuch");
        let long = "x".repeat(2000);
        for name in known {
            let hostile = ["%00", "a%00b", "%zz", "%", "j%FCrgen", "", "%20", "%E2%80%8B", &long];
            let queries = hostile.map(|value| format!("{name}={value}"));
            for query in queries.iter().map(String::as_str).chain([name, &format!("{name}=1&{name}=1")]) {
                let what = format!("{} with {}", route.name(), &query[..query.len().min(60)]);
                names(&what, &route.call(&format!("{path}?{query}")).await, name);
            }
        }
    }
}

#[tokio::test]
async fn no_route_takes_a_path_that_it_does_not_understand() {
    let (shop, reference, documents) = shop().await;
    let long = "1".repeat(3000);
    for route in routes(&shop, &documents) {
        for name in route.parameters("path") {
            for hostile in ["%00", "a%00b", "%FF", "%C3%28", "1%0A", "a%7F", &long] {
                let path = route.filled(&reference, Some((name, hostile)));
                let what = format!("{} with {}", route.name(), &hostile[..hostile.len().min(60)]);
                let answer = route.call(&path).json(json!({})).await;
                let known = [400, 404, 415].contains(&answer.status);
                assert!(known, "{what}: {} {}", answer.status, answer.text);
                if answer.status == 400 {
                    in_plain_words(&what, &answer);
                }
            }
        }
    }
}

#[tokio::test]
async fn only_an_object_of_known_fields_is_a_body() {
    let (shop, reference, documents) = shop().await;
    // What is to be signed is not read before its signature was checked.
    let is_signed = |route: &Route<'_>| route.path.starts_with("/api/payments/webhooks/");
    for route in routes(&shop, &documents).into_iter().filter(|route| !is_signed(route)) {
        let Some((schema, optional)) = route.body() else { continue };
        let (path, passes_over) = (route.filled(&reference, None), route.passes_over_unknown());
        let send = |body: String| route.call(&path).body("application/json", body);
        for other in ["7", "\"text\"", "true", "[]", "[1]", "null", "1e999"] {
            let is_array_of_reports = route.path.contains("/webhooks/") && other.starts_with('[');
            let is_none = optional && other == "null";
            if !is_none && !is_array_of_reports {
                names(&format!("{} with {other}", route.name()), &send(other.to_owned()).await, "body");
            }
        }
        for (malformed, slug) in
            [("{", "malformed-json"), ("{\"a\": 1,}", "malformed-json"), ("{} {}", "malformed-json")]
        {
            send(malformed.to_owned()).await.problem(400, slug);
        }
        let refused = send("{}".to_owned()).header("content-encoding", "gzip").await;
        refused.problem(415, "unsupported-media-type");
        assert_eq!(refused.header("accept-encoding"), "identity");
        for media_type in ["application/vnd.api+json", "application/json-patch+json", "text/json"] {
            route.call(&path).body(media_type, "{}").await.problem(415, "unsupported-media-type");
        }
        if passes_over {
            continue;
        }
        // What is for answers only is passed over.
        let properties = schema["properties"].as_object().unwrap().iter();
        let fields: Vec<&String> = properties.filter(|(_, it)| it["readOnly"] != true).map(|(name, _)| name).collect();
        names(&route.name(), &send(json!({"nosuch": 1}).to_string()).await, "nosuch");
        // Everything is wrong at once, and everything is named at once.
        for wrong in [json!({"x": 1}), json!([[1]]), json!({"$serde_json::private::Number": "1"})] {
            let body: Map<String, Value> = fields.iter().map(|field| ((*field).clone(), wrong.clone())).collect();
            let answer = send(Value::Object(body).to_string()).await;
            for field in &fields {
                let what = format!("{} with {field}: {wrong}", route.name());
                // Or something in it is named.
                let (element, member) = (format!("{field}[0]"), format!("{field}."));
                let errors = answer.json()["errors"].clone();
                let inside = |named: &&String| **named == element || named.starts_with(&member);
                let named = errors.as_object().into_iter().flat_map(Map::keys).find(inside);
                names(&what, &answer, named.unwrap_or(field));
            }
        }
        for field in &fields {
            let twice = format!("{{{0}: null, {0}: null}}", json!(field));
            names(&route.name(), &send(twice).await, field);
            let property = route.schema(&schema["properties"][field.as_str()]);
            if property["type"].to_string().contains("string") {
                names(&route.name(), &send(json!({*field: "a\u{0}b"}).to_string()).await, field);
            }
        }
    }
}

#[tokio::test]
async fn no_change_passes_over_a_body_that_it_does_not_take() {
    let shop = Shop::plan().with_accounts().without_broker().open().await;
    let customer = shop.register("ada@example.com").await.token;
    let mut found = 0;
    for client in [shop.orders(), shop.inventory(), shop.accounts()] {
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        for (path, method, operation) in operations_of(&document) {
            let takes_none = operation["requestBody"].is_null() && !method.is_safe() && path.starts_with("/api/");
            if !takes_none {
                continue;
            }
            found += 1;
            let is_for_people = operation["x-access"]["admin"] == "none" || operation["x-access"]["customer"] == "own";
            let client = if is_for_people { client.with_token(&customer) } else { client.clone() };
            let path = path.replace("{id}", &Uuid::now_v7().to_string());
            let send = |body: &str| client.call(method.clone(), &path).body("application/json", body.to_owned());
            let what = format!("{method} {path}");
            let refused = send("{\"reason\": \"lost\"}").await;
            names(&what, &refused, "reason");
            refused.problem(400, "unexpected-body");
            let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(20_000));
            for other in ["[]", "[{}]", "7", "\"lost\"", "lost", "{", "{} {}", "\0", &long] {
                send(other).await.problem(400, "unexpected-body");
            }
            if !is_for_people {
                for nothing in ["", " ", "{}", " { }\n", "null", "\u{feff}{}"] {
                    let answer = send(nothing).await;
                    assert!(!answer.text.contains("unexpected-body"), "{what} with {nothing:?}: {}", answer.text);
                }
            }
        }
    }
    assert!(found > 15, "{found} changes without a body were found");
}

fn operations_of(document: &Value) -> Vec<(&str, Method, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let items = paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |operation| (path, operation)));
    items.map(|(path, (method, it))| (path.as_str(), method.to_uppercase().parse().unwrap(), it)).collect()
}

#[tokio::test]
async fn every_route_evaluates_preconditions() {
    let (shop, reference, documents) = shop().await;
    let tags = ["\"a b\"", "\"a\tb\"", "W/\"a b\"", "\"x\", \"a b\"", "nonsense", "\"", "null", "W/", ",", "*, *"];
    for route in routes(&shop, &documents) {
        let path = route.filled(&reference, None);
        let call = || if route.body().is_some() { route.call(&path).json(json!({})) } else { route.call(&path) };
        for header in ["if-match", "if-none-match"] {
            for tag in tags {
                let answer = call().header(header, tag).await;
                assert!(answer.status < 500, "{} with {header}: {tag}: {}", route.name(), answer.text);
                // A value outside of the grammar names nothing.
                let passes = answer.status < 300 || answer.status == 304;
                assert!(header == "if-none-match" || !passes, "{} with {header}: {tag}", route.name());
                assert!(answer.status != 304, "{} with {header}: {tag}", route.name());
            }
        }
        let read = route.method.is_safe();
        if read && call().await.status == 200 {
            assert_eq!(call().header("if-match", "\"nosuch\"").await.status, 412, "{}", route.name());
            assert_eq!(call().header("if-match", "*").await.status, 200, "{}", route.name());
            assert_eq!(call().header("if-none-match", "*").await.status, 304, "{}", route.name());
            assert_eq!(call().header("if-none-match", "\"nosuch\"").await.status, 200, "{}", route.name());
        } else if !read {
            for (header, tag) in [("if-match", "\"nosuch\""), ("if-none-match", "*")] {
                let answer = call().header(header, tag).await;
                assert!((400..500).contains(&answer.status), "{} with {header}: {tag}", route.name());
            }
        }
    }
}

#[tokio::test]
async fn a_key_stands_once() {
    let (shop, reference, documents) = shop().await;
    let (mut keyed, order) = (0, order(&[(LAPTOP, 1)]));
    for route in routes(&shop, &documents) {
        if !route.parameters("header").contains(&"Idempotency-Key") {
            continue;
        }
        keyed += 1;
        let path = route.filled(&reference, None);
        let call = || if route.body().is_some() { route.call(&path).json(order.clone()) } else { route.call(&path) };
        let query = if route.path.ends_with("/replay") && !route.path.contains('{') { "consumer" } else { "" };
        names(&route.name(), &call().key("a").key("b").await, "Idempotency-Key");
        for key in ["", "\"", "\"\"", "\"a", "a\"", &"k".repeat(256)] {
            let answer = call().key(key).await;
            assert!(query == "consumer" || answer.status == 400, "{} with {key}: {}", route.name(), answer.text);
        }
    }
    assert!(keyed > 5, "the routes with a key were not found");
    assert_eq!(text(&shop.orders().get("/api/orders/1").await.json()["status"]), "PENDING");
}
