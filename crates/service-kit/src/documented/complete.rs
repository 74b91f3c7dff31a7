//! Says in an OpenAPI document what holds for every route, so that no route has to: headers of answers, and what a text, a
//! number and an object may be.

use super::texts::{LINE, LINES, VISIBLE_LINE, VISIBLE_LINES};
use crate::contract::PASSES_OVER;
use crate::extract::LONGEST_PARAMETER;
use std::collections::BTreeSet;
use utoipa::Number;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{
    AdditionalProperties, Array, ArrayItems, KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Components, OpenApi, PathItem, Ref, RefOr, Response};

/// The headers that answers have, whichever route gives them.
const HEADERS: [(&str, Type, &str); 8] = [
    ("X-Request-Id", Type::String, "The id of the request, under which the log speaks of it"),
    ("Retry-After", Type::Integer, "Seconds after which trying again makes sense"),
    ("RateLimit", Type::String, "What is left of the limit; only where one is configured"),
    ("RateLimit-Policy", Type::String, "The limit; only where one is configured"),
    (
        "Idempotency-Replayed",
        Type::String,
        "`true` where this is the kept answer to an earlier request with the same key",
    ),
    (
        "Read-After",
        Type::String,
        "What was written, for the same header of a list that has to show it; only where lists are read from a replica",
    ),
    ("WWW-Authenticate", Type::String, "How callers say who they are"),
    ("Accept-Encoding", Type::String, "`identity` where the body was compressed"),
];

/// Said of every service, as no call can say it.
const OF_THE_SERVER: &str = "Before a request reaches its call, the server itself may refuse it with a problem: \
    400, 403, 408, 413, 414, 415, 417, 431, 501 or 503.";

/// Completes a document. `consumers` are the queues that its service consumes.
pub fn complete(document: &mut OpenApi, consumers: &[&str]) {
    let own = document.info.description.take().unwrap_or_default();
    document.info.description = Some(format!("{own}\n\n{OF_THE_SERVER}"));
    let mut bodies = BTreeSet::new();
    for (path, item) in &mut document.paths.paths {
        for (writes, operation) in operations(item) {
            if consumers.is_empty() {
                // Nobody can name one.
                let parameters = operation.parameters.iter_mut();
                parameters.for_each(|all| all.retain(|it| !matches!(it, RefOr::T(it) if it.name == "consumer")));
            }
            let keyed = complete_parameters(operation, consumers);
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    complete_headers(response, status, path.starts_with("/api/"), keyed, writes);
                }
            }
            let passes_over = operation.extensions.as_ref().is_some_and(|it| it.contains_key(PASSES_OVER));
            if let Some(RefOr::T(body)) = operation.request_body.as_ref().filter(|_| !passes_over) {
                let contents = body.content.values().filter_map(|content| match content {
                    RefOr::T(content) => content.schema.as_ref(),
                    RefOr::Ref(_) => None,
                });
                contents.for_each(|schema| find_references(schema, &mut bodies));
            }
        }
    }
    let components = document.components.get_or_insert_default();
    components.headers = HEADERS.into_iter().map(|it| (it.0.to_owned(), RefOr::T(header(it.1, it.2)))).collect();
    complete_bodies(components, bodies);
}

/// Each operation, and whether it writes.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let writes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
    item.get.iter_mut().map(|read| (false, read)).chain(writes.map(|write| (true, write)))
}

fn header(schema_type: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(schema_type);
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

/// Completes the parameters; gives whether one of them is an `Idempotency-Key`.
fn complete_parameters(operation: &mut Operation, consumers: &[&str]) -> bool {
    let mut keyed = false;
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        keyed |= parameter.name == "Idempotency-Key";
        complete_parameter(parameter, consumers);
    }
    keyed
}

fn complete_parameter(parameter: &mut Parameter, consumers: &[&str]) {
    let in_path = parameter.parameter_in == ParameterIn::Path;
    let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { return };
    // Whatever is sent in a URL or a header is there: null is for bodies.
    if let SchemaType::Array(types) = &schema.schema_type {
        let some = types.iter().find(|it| **it != Type::Null).cloned();
        schema.schema_type = some.map_or(SchemaType::AnyValue, SchemaType::Type);
    }
    if parameter.name == "consumer" {
        schema.enum_values = Some(consumers.iter().map(|consumer| (*consumer).into()).collect());
    }
    bound_integer(schema);
    if in_path && schema.schema_type == SchemaType::Type(Type::Integer) {
        schema.minimum.get_or_insert(Number::Int(1));
    }
    let is_free = schema.enum_values.is_none() && schema.format.is_none() && schema.pattern.is_none();
    if schema.schema_type == SchemaType::Type(Type::String) && parameter.parameter_in != ParameterIn::Header {
        schema.min_length.get_or_insert(1);
        schema.max_length.get_or_insert(LONGEST_PARAMETER);
        if is_free {
            schema.pattern = Some(VISIBLE_LINE.to_owned());
        }
    }
}

/// The format says nothing to a validator: the bounds are said in numbers.
fn bound_integer(schema: &mut Object) {
    let (smallest, largest) = match schema.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) => (i64::MIN as isize, i64::MAX as isize),
        Some(SchemaFormat::KnownFormat(KnownFormat::Int32)) => (i32::MIN as isize, i32::MAX as isize),
        _ => return,
    };
    schema.minimum.get_or_insert(Number::Int(smallest));
    schema.maximum.get_or_insert(Number::Int(largest));
}

fn complete_headers(response: &mut Response, status: &str, of_api: bool, keyed: bool, writes: bool) {
    let success = status.starts_with('2');
    for (name, _, _) in HEADERS {
        let has = match name {
            "X-Request-Id" => true,
            "Retry-After" => matches!(status, "429" | "503") && of_api,
            "RateLimit" | "RateLimit-Policy" => of_api && (success || status == "429"),
            "Idempotency-Replayed" => keyed && success,
            "Read-After" => of_api && writes && success,
            "WWW-Authenticate" => status == "401",
            _ => status == "415",
        };
        if has {
            let reference = Ref::new(format!("#/components/headers/{name}"));
            response.headers.entry(name.to_owned()).or_insert(RefOr::Ref(reference));
        }
    }
}

/// The schemas that bodies of requests are made of: unknown fields are refused in them, and texts are bounded.
fn complete_bodies(components: &mut Components, mut wanted: BTreeSet<String>) {
    let mut done = BTreeSet::new();
    while let Some(name) = wanted.pop_first() {
        if !done.insert(name.clone()) {
            continue;
        }
        let Some(RefOr::T(schema)) = components.schemas.get_mut(&name) else { continue };
        let mut found = BTreeSet::new();
        complete_body(schema, &mut found);
        wanted.extend(found);
    }
}

fn complete_body(schema: &mut Schema, found: &mut BTreeSet<String>) {
    let Schema::Object(object) = schema else { return };
    if object.schema_type != SchemaType::Type(Type::Object) {
        return;
    }
    object.additional_properties.get_or_insert_with(|| Box::new(AdditionalProperties::FreeForm(false)));
    let required: BTreeSet<&String> = object.required.iter().collect();
    for (name, property) in &mut object.properties {
        find_references(property, found);
        match property {
            RefOr::T(Schema::Object(property)) => {
                bound_integer(property);
                complete_text(property, required.contains(name));
            }
            RefOr::T(Schema::Array(array)) => complete_items(array),
            _ => {}
        }
    }
}

/// What the texts of a list may be: none of them may be left blank.
fn complete_items(array: &mut Array) {
    if let ArrayItems::RefOrSchema(items) = &mut array.items
        && let RefOr::T(Schema::Object(item)) = items.as_mut()
    {
        complete_text(item, true);
    }
}

/// What a text may be. The format `lines` stands for one of several lines, and is of use to nobody else.
fn complete_text(schema: &mut Object, required: bool) {
    let is_text = match &schema.schema_type {
        SchemaType::Type(only) => *only == Type::String,
        SchemaType::Array(types) => types.contains(&Type::String),
        SchemaType::AnyValue => false,
    };
    let several = schema.format == Some(SchemaFormat::Custom("lines".to_owned()));
    if !is_text || schema.enum_values.is_some() || schema.pattern.is_some() || (schema.format.is_some() && !several) {
        return;
    }
    if several {
        schema.format = None;
    }
    if required {
        schema.min_length.get_or_insert(1);
    }
    let visible = schema.min_length.is_some_and(|shortest| shortest > 0);
    let pattern = match (several, visible) {
        (false, false) => LINE,
        (false, true) => VISIBLE_LINE,
        (true, false) => LINES,
        (true, true) => VISIBLE_LINES,
    };
    schema.pattern = Some(pattern.to_owned());
}

fn find_references(schema: &RefOr<Schema>, found: &mut BTreeSet<String>) {
    match schema {
        RefOr::Ref(reference) => {
            found.extend(reference.ref_location.rsplit('/').next().map(str::to_owned));
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &array.items {
                find_references(items, found);
            }
        }
        RefOr::T(Schema::OneOf(either)) => either.items.iter().for_each(|item| find_references(item, found)),
        RefOr::T(Schema::AnyOf(either)) => either.items.iter().for_each(|item| find_references(item, found)),
        RefOr::T(Schema::AllOf(all)) => all.items.iter().for_each(|item| find_references(item, found)),
        RefOr::T(_) => {}
    }
}
