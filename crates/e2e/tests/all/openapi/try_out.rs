//! Calls operations as Swagger UI does.

use e2e::client::{Client, Response};
use serde_json::Value;

/// Calls an operation as Swagger UI does where a person changes nothing.
pub async fn try_out(client: &Client, document: &Value, name: &str) -> Response {
    let (method, path) = name.split_once(' ').unwrap();
    let operation = &document["paths"][path][method];
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let example = if parameter["example"].is_null() { &parameter["schema"] } else { &parameter["example"] };
        let example = if parameter["example"].is_null() { example_of(document, example) } else { example.clone() };
        let example = example.as_str().map_or(example.to_string(), str::to_owned);
        let field = parameter["name"].as_str().unwrap();
        if parameter["in"] == "path" {
            assert_ne!(example, "null", "{name}: no example for {field}");
            path = path.replace(&format!("{{{field}}}"), &example);
        } else if parameter["in"] == "query" && example != "null" {
            query.push(format!("{field}={example}"));
        }
    }
    let call = client.call(method.to_uppercase().parse().unwrap(), &format!("{path}?{}", query.join("&")));
    let content = &operation["requestBody"]["content"]["application/json"];
    if content.is_null() {
        return call.await;
    }
    let first = content["examples"].as_object().and_then(|all| all.values().next()).map(|it| it["value"].clone());
    let body = match first.unwrap_or_else(|| content["example"].clone()) {
        Value::Null => example_of(document, &content["schema"]),
        example => example,
    };
    call.json(body).await
}

/// What Swagger UI makes of a schema: its example, or one put together from those of its parts.
fn example_of(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example_of(document, document.pointer(&reference[1..]).unwrap());
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    match (&schema["properties"], &schema["items"]) {
        (Value::Object(fields), _) => {
            Value::Object(fields.iter().map(|(name, it)| (name.clone(), example_of(document, it))).collect())
        }
        (_, Value::Object(_)) => Value::Array(vec![example_of(document, &schema["items"])]),
        _ => schema["enum"][0].clone(),
    }
}
