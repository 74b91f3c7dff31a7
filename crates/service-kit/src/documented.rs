//! Headers, parameters and problems that many calls share, for the OpenAPI document only.

mod complete;
mod texts;

pub use complete::complete;
use utoipa::IntoParams;
use utoipa::openapi::schema::{AllOfBuilder, Schema};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// The page of a list.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Query)]
pub struct Paged {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
    /// Where the page begins; taken from the `Link` header of the page before.
    #[param(max_length = 19, pattern = "^(0|[1-9][0-9]{0,17}|[1-8][0-9]{18})$")]
    pub cursor: Option<String>,
}

/// The page of a list whose rows have UUIDs.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Query)]
pub struct PagedByUuid {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
    /// Where the page begins; taken from the `Link` header of the page before.
    #[param(max_length = 36, pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    pub cursor: Option<String>,
}

/// The page of a list whose rows have UUIDs and are sorted by a time before.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Query)]
pub struct PagedByTime {
    /// Rows of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<i64>,
    /// Where the page begins; taken from the `Link` header of the page before.
    #[param(max_length = 56, pattern = "^([0-9]{1,19}~)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    pub cursor: Option<String>,
}

/// A call that may be repeated with the same key.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Header)]
pub struct Keyed {
    /// Makes repeating the call safe: the same key and body give the same answer once. It has 1 to 255 printable ASCII
    /// characters, in quotes or without any.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 257,
        pattern = r#"^("[ !#-~]{1,255}"|[!#-~]([ !#-~]{0,253}[!#-~])?)$"#
    )]
    pub idempotency_key: Option<String>,
}

/// A list, which may be as old as the replica that it is read from.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Header)]
pub struct ReadAfter {
    /// The `Read-After` of the answer to a write: what that wrote is seen. Without it, what the caller wrote through this
    /// instance in the last second is seen.
    #[param(rename = "Read-After", pattern = "^[0-9a-f]{16}$")]
    pub read_after: Option<String>,
}

/// A write that may be bound to a version.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// The ETag that the resource must still have, a list of them, or `*`; else 412. What is no entity tag names nothing.
    #[param(rename = "If-Match", example = "*")]
    pub if_match: Option<String>,
}

/// A read that may be left out.
#[derive(IntoParams, Debug)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatch {
    /// The ETag that the client has already, a list of them, or `*`: 304 if it is still the same. What is no entity tag names
    /// nothing.
    #[param(rename = "If-None-Match")]
    pub if_none_match: Option<String>,
}

/// Declares answers for the OpenAPI document: `Name { "409": "why" }`, each with a [`Problem`](crate::problem::Problem);
/// `"409": "why" with "Members"` where it has the extension members of that schema.
#[macro_export]
macro_rules! documented_problems {
    ($($(#[$doc:meta])* $name:ident { $($status:literal: $description:literal $(with $members:literal)?),+ })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                std::collections::BTreeMap::from(
                    [$(($status.to_owned(), $crate::documented_problems!(@ $description $(, $members)?))),+]
                )
            }
        }
    )*};
    (@ $description:literal) => { $crate::documented::problem($description) };
    (@ $description:literal, $members:literal) => { $crate::documented::extended_problem($description, $members) };
}

/// An answer with a problem, for [`documented_problems`](crate::documented_problems).
pub fn problem(description: &str) -> RefOr<Response> {
    answer(description, Ref::from_schema_name("Problem"))
}

/// An answer with a problem that has extension members: those of the schema of this name.
pub fn extended_problem(description: &str, members: &str) -> RefOr<Response> {
    let both = ["Problem", members].map(Ref::from_schema_name);
    answer(description, Schema::AllOf(both.into_iter().fold(AllOfBuilder::new(), AllOfBuilder::item).build()))
}

fn answer(description: &str, schema: impl Into<RefOr<Schema>>) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build().into()
}

documented_problems! {
    /// Parameters at fault.
    Invalid { "400": "the input is at fault; `errors` names every field" }
    /// A caller who is not let in.
    Refused {
        "401": "a token is needed, or the one that came is not valid; `WWW-Authenticate` says how to send one",
        "403": "the caller may not do this, or may not without a token from where they call"
    }
    /// A body at fault.
    InvalidBody {
        "400": "the input is at fault; `errors` names every field",
        "413": "the body is longer than 1 MiB, below `/api/auth/` than 4 KiB",
        "415": "the body is not application/json, or compressed"
    }
    /// No such thing.
    NotFound { "404": "it does not exist" }
    /// Another version.
    Changed { "412": "it has changed since its ETag was given out" }
    /// A key that belongs to another request.
    KeyReused { "422": "the Idempotency-Key was used before, with another body" }
    /// What is nobody's fault who asks.
    Unavailable {
        "429": "too many requests; try again after `Retry-After` seconds (only where a limit is configured)",
        "500": "an unexpected error; it is in the log under the request's x-request-id",
        "503": "something is away or busy; try again after `Retry-After` seconds"
    }
}
