//! The rules of a document as a table for people.

use super::{ACCESS, Access, Reach};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

/// One line of Markdown for each operation: method and path, what each caller reaches, and what an API key must be for.
pub(crate) fn table(document: &OpenApi) -> String {
    let mut lines = vec![
        "| call | nobody | CUSTOMER | SELLER | ADMIN | service | API key |\n".to_owned(),
        "|---|---|---|---|---|---|---|\n".to_owned(),
    ];
    for (path, item) in &document.paths.paths {
        let operations = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in operations {
            lines.extend(operation.as_ref().map(|operation| line(method, path, operation)));
        }
    }
    lines.concat()
}

fn line(method: &str, path: &str, operation: &Operation) -> String {
    let rule = operation.extensions.as_ref().and_then(|extensions| extensions.get(ACCESS)).cloned();
    let access: Access = rule.and_then(|rule| serde_json::from_value(rule).ok()).unwrap_or_default();
    let nobody = if access.guests { "where guests may order" } else { reach(access.nobody) };
    let [customer, seller, admin] = [access.customer, access.seller, access.admin].map(reach);
    let services = if access.nobody == Reach::All { reach(Reach::All).to_owned() } else { access.services.join(", ") };
    let services = if services.is_empty() { reach(Reach::None) } else { &services };
    let key = match &access.scope {
        Some(scope) => format!("`{scope}`"),
        None => reach(access.nobody).to_owned(),
    };
    format!("| {method} `{path}` | {nobody} | {customer} | {seller} | {admin} | {services} | {key} |\n")
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::None => "–",
        Reach::Own => "own",
        Reach::All => "all",
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn each_operation_has_a_line() {
        let document = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "x", "version": "1"},
            "paths": {
                "/a": {
                    "get": {"responses": {}, "x-access": {"customer": "own", "admin": "all", "scope": "a:read"}},
                    "post": {"responses": {}, "x-access": {"guests": true, "services": ["b", "c"]}}
                },
                "/b": {"get": {"responses": {}}}
            }
        }));
        let table = table(&document.unwrap());
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| GET `/a` | – | own | – | all | – | `a:read` |",
                "| POST `/a` | where guests may order | – | – | – | b, c | – |",
                "| GET `/b` | – | – | – | – | – | – |",
            ]
        );
    }
}
