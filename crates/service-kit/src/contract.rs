//! Holds each request against what the OpenAPI document says of its route, so that no route can forget it.
//!
//! A query has only the parameters of the route, each once. A change that takes no body gets none. A precondition that the
//! route does not evaluate itself is evaluated here (RFC 9110, 13).

use crate::access::{ACCESS, Access};
use crate::answer;
use crate::extract::check_query;
use crate::problem::Problem;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use utoipa::openapi::path::{self, Parameter, ParameterIn};
use utoipa::openapi::{KnownFormat, OpenApi, PathItem, RefOr, Schema, SchemaFormat};

/// The extension of an operation that passes over what it does not know: its caller may be a newer build, or a provider.
pub const PASSES_OVER: &str = "x-passes-over-unknown";

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// What the document says of every route; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Contract(Arc<Routes>);

#[derive(Debug, Default)]
struct Routes {
    methods: HashMap<String, Methods>,
    /// What stands in front of secrets in paths: parameters of the format `password`.
    before_secrets: Vec<String>,
}

/// What the document says of each method of a path.
type Methods = [Option<Operation>; METHODS.len()];

/// What stands in the place of a secret in a path.
const HIDDEN: &str = "hidden";

/// How many bytes of a part of any path are taken for a secret: more than a UUID has, up to a token with each of its
/// characters in percent-encoding.
const SECRET_BYTES: RangeInclusive<usize> = 48..=256;

/// The methods that routes have.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What must be known of one operation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Operation {
    /// Who is let in; nobody where the document says nothing.
    access: Access,
    is_api: bool,
    query: Vec<String>,
    passes_over_unknown: bool,
    takes_body: bool,
    /// Its body is a form.
    takes_form: bool,
    /// It compares `If-Match` with the version of what it changes.
    knows_version: bool,
}

/// What the document says of the target of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// It is this operation.
    Operation(&'a Operation),
    /// The path has no such method.
    OtherMethod,
    /// There is a route, of which the document says nothing.
    Undocumented,
    /// There is no such path.
    Nowhere,
}

impl Contract {
    /// The contract of a document.
    pub fn of(document: &OpenApi) -> Self {
        let paths = || document.paths.paths.iter();
        let methods = paths().map(|(path, item)| (path.clone(), Operation::all_of(path, item))).collect();
        let before_secrets = paths().filter_map(|(path, item)| before_secret(path, item)).collect();
        Self(Arc::new(Routes { methods, before_secrets }))
    }

    /// A path as an answer may repeat it: without a secret that stands in it, also where a client has mistaken the path.
    pub fn shown<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let secret =
            self.0.before_secrets.iter().find_map(|before| Some((before, path.strip_prefix(before.as_str())?)));
        let shown = match secret {
            Some((before, rest)) => {
                let after = rest.find('/').and_then(|end| rest.get(end..)).unwrap_or_default();
                Cow::Owned([before, HIDDEN, after].concat())
            }
            None => Cow::Borrowed(path),
        };
        let may_be_secret = |segment: &str| SECRET_BYTES.contains(&segment.len());
        if !shown.split('/').any(may_be_secret) {
            return shown;
        }
        let segments = shown.split('/').map(|segment| if may_be_secret(segment) { HIDDEN } else { segment });
        Cow::Owned(segments.collect::<Vec<_>>().join("/"))
    }

    /// What a request wants.
    pub fn target(&self, request: &Request) -> Target<'_> {
        let Some(path) = request.extensions().get::<MatchedPath>() else { return Target::Nowhere };
        let Some(methods) = self.0.methods.get(path.as_str()) else { return Target::Undocumented };
        let method = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let operation = METHODS.iter().zip(methods).find(|(known, _)| *known == method);
        operation.and_then(|(_, operation)| operation.as_ref()).map_or(Target::OtherMethod, Target::Operation)
    }

    /// Whether a request wants what takes a form.
    pub fn takes_form(&self, request: &Request) -> bool {
        matches!(self.target(request), Target::Operation(operation) if operation.takes_form)
    }

    /// Why a request is refused before its route sees it, whoever makes it.
    pub fn refusal(&self, request: &Request) -> Option<Problem> {
        match self.target(request) {
            Target::Operation(operation) => operation.refusal(request),
            Target::OtherMethod | Target::Undocumented | Target::Nowhere => None,
        }
    }
}

/// What stands in front of the secret in this path, if there is one.
fn before_secret(path: &str, item: &PathItem) -> Option<String> {
    let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete].into_iter().flatten();
    let mut parameters = operations.flat_map(|operation| operation.parameters.iter().flatten()).filter_map(inline);
    let secret = parameters.find(|parameter| parameter.parameter_in == ParameterIn::Path && is_secret(parameter))?;
    Some(path.split_once(&format!("{{{}}}", secret.name))?.0.to_owned())
}

fn is_secret(parameter: &Parameter) -> bool {
    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else { return false };
    matches!(&schema.format, Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        || matches!(&schema.format, Some(SchemaFormat::Custom(format)) if format == "password")
}

impl Operation {
    fn all_of(path: &str, item: &PathItem) -> Methods {
        let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
        operations.map(|operation| operation.as_ref().map(|operation| Self::of(path, operation)))
    }

    fn of(path: &str, operation: &path::Operation) -> Self {
        let parameters: Vec<&Parameter> = operation.parameters.iter().flatten().filter_map(inline).collect();
        let query = parameters.iter().filter(|parameter| parameter.parameter_in == ParameterIn::Query);
        let body = operation.request_body.as_ref();
        let extensions = operation.extensions.as_ref();
        let access = extensions.and_then(|extensions| extensions.get(ACCESS)).cloned();
        Self {
            access: access.and_then(|access| serde_json::from_value(access).ok()).unwrap_or_default(),
            is_api: path.starts_with("/api/"),
            query: query.map(|parameter| parameter.name.clone()).collect(),
            passes_over_unknown: extensions.is_some_and(|extensions| extensions.contains_key(PASSES_OVER)),
            takes_body: body.is_some(),
            takes_form: body.and_then(inline).is_some_and(|body| body.content.contains_key(FORM)),
            knows_version: parameters.iter().any(|parameter| parameter.name.eq_ignore_ascii_case("if-match")),
        }
    }

    /// Who is let in.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Whether a body is refused that asks for anything: it would be passed over, and its sender would believe otherwise.
    pub fn refuses_body(&self, method: &Method) -> bool {
        self.is_api && !method.is_safe() && !self.takes_body && !self.passes_over_unknown
    }

    /// Whether its body is a form, which other sites can send unasked.
    pub fn takes_form(&self) -> bool {
        self.takes_form
    }

    /// Why a request for it is refused by its head, whoever makes it.
    pub fn refusal(&self, request: &Request) -> Option<Problem> {
        let query = request.uri().query().filter(|_| !self.passes_over_unknown && self.is_api);
        if let Some(Err(errors)) = query.map(|query| check_query(query, &self.query)) {
            return Some(Problem::validation(errors));
        }
        let changes = !request.method().is_safe() && !self.knows_version;
        let evaluates = changes && is_conditional(request.headers());
        (evaluates && !answer::allows_change(request.headers(), None)).then(Problem::precondition_failed)
    }
}

/// The kit and the derives of utoipa write every parameter and every body where it is used.
fn inline<T>(written: &RefOr<T>) -> Option<&T> {
    match written {
        RefOr::T(written) => Some(written),
        RefOr::Ref(_) => None,
    }
}

/// Whether a request has a precondition on the version of its target.
pub fn is_conditional(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_NONE_MATCH)
}

/// The answer to a read, once its preconditions are evaluated: 412 where `If-Match` names another version, 304 where
/// `If-None-Match: *` asks for what does not exist yet. Entity tags in `If-None-Match` are compared by the routes.
pub fn evaluated(request: &HeaderMap, response: Response) -> Response {
    if !response.status().is_success() && response.status() != StatusCode::NOT_MODIFIED {
        return response;
    }
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if !answer::matches_if_match(request, tag) {
        return Problem::precondition_failed().into_response();
    }
    if answer::is_any(request, &header::IF_NONE_MATCH) { answer::not_modified(tag) } else { response }
}

#[cfg(test)]
mod tests {
    use super::{Contract, Operation, evaluated};
    use crate::access::{Access, Principal};
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::{Method, StatusCode};
    use axum::middleware::{Next, from_fn};
    use axum::response::{IntoResponse, Response};
    use axum::routing::get;
    use tower::ServiceExt;
    use utoipa::openapi::OpenApi;

    fn contract() -> Contract {
        let document: OpenApi = serde_json::from_value(serde_json::json!({
            "openapi": "3.1.0", "info": {"title": "x", "version": "1"},
            "paths": {
                "/api/things": {
                    "get": {"responses": {}, "parameters": [{"name": "limit", "in": "query", "required": false}]},
                    "post": {"responses": {}}
                },
                "/api/things/{id}": {"put": {"responses": {}, "parameters": [{"name": "If-Match", "in": "header", "required": false}]}},
                "/api/hooks": {"post": {"responses": {}, "x-passes-over-unknown": true}},
                "/api/links/{token}/use": {"post": {"responses": {}, "parameters": [
                    {"name": "token", "in": "path", "required": true, "schema": {"type": "string", "format": "password"}}]}}
            }
        }))
        .unwrap();
        Contract::of(&document)
    }

    async fn status(method: Method, uri: &str, header: Option<(&str, &str)>) -> u16 {
        let contract = contract();
        let guard = move |request: Request, next: Next| {
            let contract = contract.clone();
            async move {
                match contract.refusal(&request) {
                    Some(problem) => problem.into_response(),
                    None => next.run(request).await,
                }
            }
        };
        let ok = || async { StatusCode::OK };
        #[expect(clippy::disallowed_methods, reason = "these routes stand for any, and know no callers")]
        let app = Router::new()
            .route("/api/things", get(ok).post(ok))
            .route("/api/things/{id}", get(ok).put(ok))
            .route("/api/hooks", get(ok).post(ok))
            .layer(from_fn(guard));
        let mut request = Request::builder().method(method).uri(uri);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    }

    #[test]
    fn a_secret_in_a_path_is_not_repeated() {
        let contract = contract();
        for (path, shown) in [
            ("/api/links/s3cret/use", "/api/links/hidden/use"),
            ("/api/links/s3cret", "/api/links/hidden"),
            ("/api/links/s3cret/nowhere/else", "/api/links/hidden/nowhere/else"),
            ("/api/links//TOKEN", "/api/links/hidden/hidden"),
            ("//api/links/TOKEN", "//api/links/hidden"),
            ("/API/links%2FTOKEN", "/API/hidden"),
            ("/api/things/7", "/api/things/7"),
            ("/api/things/01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "/api/things/01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70"),
            ("/api/link", "/api/link"),
        ] {
            let path = path.replace("TOKEN", &"t0".repeat(30));
            assert_eq!(contract.shown(&path), shown);
        }
    }

    #[test]
    fn an_operation_without_a_rule_lets_nobody_in() {
        let operation = |extension: serde_json::Value| -> Access {
            let mut operation = serde_json::json!({"responses": {}});
            operation.as_object_mut().unwrap().extend(extension.as_object().unwrap().clone());
            let operation = serde_json::from_value(operation).unwrap();
            Operation::of("/api/things", &operation).access().clone()
        };
        let public = serde_json::to_value(Access::PUBLIC).unwrap();
        assert_eq!(operation(serde_json::json!({"x-access": public})), Access::PUBLIC);
        for none in [serde_json::json!({}), serde_json::json!({"x-access": "all"})] {
            let access = operation(none);
            assert_eq!(access, Access::default());
            access.decide(&Principal::LocalOperator, true).unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_route_takes_only_its_own_parameters() {
        for (method, uri, expected) in [
            (Method::GET, "/api/things?limit=1", 200),
            (Method::HEAD, "/api/things?limit=1", 200),
            (Method::GET, "/api/things?", 200),
            (Method::GET, "/api/things?limit=1&page=2", 400),
            (Method::HEAD, "/api/things?page=2", 400),
            (Method::GET, "/api/things?limit=1&limit=1", 400),
            (Method::POST, "/api/things?limit=1", 400),
            (Method::PUT, "/api/things/1?dryRun=true", 400),
            (Method::POST, "/api/hooks?token=%zz", 200),
        ] {
            assert_eq!(status(method.clone(), uri, None).await, expected, "{method} {uri}");
        }
    }

    #[test]
    fn a_change_without_a_body_in_the_document_takes_none() {
        let refuses = |path: &str, method: Method, operation: serde_json::Value| {
            Operation::of(path, &serde_json::from_value(operation).unwrap()).refuses_body(&method)
        };
        let bare = || serde_json::json!({"responses": {}});
        assert!(refuses("/api/things", Method::POST, bare()) && refuses("/api/things", Method::DELETE, bare()));
        assert!(!refuses("/api/things", Method::GET, bare()));
        // A newer build of ours may say more.
        assert!(!refuses("/internal/things", Method::POST, bare()));
        for taken in
            [serde_json::json!({"requestBody": {"content": {}}}), serde_json::json!({"x-passes-over-unknown": true})]
        {
            let mut operation = bare();
            operation.as_object_mut().unwrap().extend(taken.as_object().unwrap().clone());
            assert!(!refuses("/api/things", Method::POST, operation));
        }
    }

    #[tokio::test]
    async fn a_change_is_bound_to_its_preconditions_on_every_route() {
        for (header, value, expected) in [
            ("if-none-match", "*", 412),
            ("if-none-match", "\"1\"", 200),
            ("if-match", "*", 200),
            ("if-match", "\"1\"", 412),
            ("if-match", "\"a b\"", 412),
        ] {
            let things = status(Method::POST, "/api/things", Some((header, value))).await;
            assert_eq!(things, expected, "{header}: {value}");
        }
        // This one evaluates them itself, against the version.
        assert_eq!(status(Method::PUT, "/api/things/1", Some(("if-match", "\"1\""))).await, 200);
    }

    #[test]
    fn a_read_is_bound_to_its_preconditions() {
        let read = |header: &str, value: &str, tag: Option<&str>| {
            let request = [(header.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            let mut response: Response = StatusCode::OK.into_response();
            response.headers_mut().extend(tag.map(|tag| (axum::http::header::ETAG, tag.parse().unwrap())));
            evaluated(&request, response).status().as_u16()
        };
        assert_eq!(read("if-match", "\"1\"", Some("\"1\"")), 200);
        assert_eq!(read("if-match", "W/\"1\"", Some("\"1\"")), 412);
        assert_eq!(read("if-match", "\"2\"", Some("\"1\"")), 412);
        assert_eq!(read("if-match", "\"1\"", None), 412);
        assert_eq!(read("if-match", "*", None), 200);
        assert_eq!(read("if-none-match", "*", None), 304);
        assert_eq!(read("if-none-match", "\"2\"", Some("\"1\"")), 200);
    }
}
