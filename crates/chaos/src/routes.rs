//! Which routes of the services the clients call, and why they do not call the others.

use crate::clients::Side;
use serde_json::Value;
use std::collections::BTreeSet;

const DOCUMENTS: [(Side, &str); 3] = [
    (Side::Orders, include_str!("../../../docs/openapi/order-service.json")),
    (Side::Inventory, include_str!("../../../docs/openapi/inventory-service.json")),
    (Side::Accounts, include_str!("../../../docs/openapi/account-service.json")),
];

/// Routes that no client calls, and why.
const NOT_CALLED: &[(Side, &str, &str)] = &[
    (Side::Orders, "DELETE /api/notifications", "would erase what the checks could look at"),
    (Side::Orders, "GET /api/notifications/{id}", "no client knows the number of a message"),
    (Side::Orders, "GET /api/notifications/{id}/explain", "no client knows the number of a message"),
    (Side::Orders, "GET /api/notifications/{id}/html", "no client knows the number of a message"),
    (Side::Orders, "POST /api/notifications/{id}/resend", "no way of sending is set up"),
    (Side::Orders, "POST /api/notifications/webhooks/brevo", "no provider is set up"),
    (Side::Orders, "GET /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Orders, "PATCH /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Orders, "POST /api/admin/dead-letters/{id}/replay", "a run must set nothing aside"),
    (Side::Orders, "POST /api/admin/dead-letters/{id}/discard", "a run must set nothing aside"),
    (Side::Orders, "POST /api/admin/dead-letters/replay", "a run must set nothing aside"),
    (Side::Orders, "GET /api/admin/invariants", "asked at the end, by verify"),
    (Side::Orders, "GET /api/admin/payments/findings", "the checks hold all books against the provider's"),
    (Side::Orders, "POST /api/admin/payments/findings/{id}/resolve", "a run must find nothing that does not fit"),
    (Side::Orders, "POST /api/admin/payments/reconcile", "the checks hold all books against the provider's"),
    (Side::Orders, "GET /api/orders/guest/{token}", "mails are not sent, and have no links"),
    (Side::Orders, "POST /api/orders/guest/{token}/claim", "mails are not sent, and have no links"),
    (Side::Orders, "GET /api/payments", "the checks read the payments of each order"),
    (Side::Orders, "POST /api/payments/webhooks/stripe", "called by the payment sandbox"),
    (Side::Orders, "POST /api/payments/webhooks/razorpay", "called by the payment sandbox"),
    (Side::Orders, "POST /api/payments/{id}/capture", "the shop of a run takes money with the customer's word"),
    (Side::Orders, "POST /api/payments/{id}/review", "a run must bring nothing under review"),
    (Side::Orders, "GET /health/ready", "asked by the stage, after each fault"),
    (Side::Inventory, "POST /api/inventory/products", "the catalogue is made before the load"),
    (Side::Inventory, "PUT /api/inventory/products/{id}", "the checks count on the prices of the catalogue"),
    (Side::Inventory, "PATCH /api/inventory/products/{id}", "the checks count on the prices of the catalogue"),
    (
        Side::Inventory,
        "POST /api/inventory/products/{id}/count",
        "what is counted under load is in no account of the checks",
    ),
    (Side::Inventory, "DELETE /api/inventory/products/{id}", "the checks count on the whole catalogue"),
    (
        Side::Inventory,
        "POST /api/inventory/reserve-stock",
        "stock sold without an order is in no account of the checks",
    ),
    (Side::Inventory, "POST /api/inventory/reservations", "stock held without an order is in no account of the checks"),
    (Side::Inventory, "POST /api/inventory/reservations/batch", "called by order-service for each placement"),
    (Side::Inventory, "POST /api/inventory/reservations/settle", "called by order-service when it settles"),
    (Side::Inventory, "POST /api/inventory/reservations/{id}/commit", "called by order-service when it settles"),
    (Side::Inventory, "GET /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Inventory, "PATCH /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Inventory, "POST /api/admin/dead-letters/{id}/replay", "a run must set nothing aside"),
    (Side::Inventory, "POST /api/admin/dead-letters/{id}/discard", "a run must set nothing aside"),
    (Side::Inventory, "POST /api/admin/dead-letters/replay", "a run must set nothing aside"),
    (Side::Inventory, "GET /api/admin/invariants", "asked at the end, by verify"),
    (Side::Inventory, "GET /health/ready", "asked by the stage, after each fault"),
    (Side::Accounts, "POST /api/auth/verify", NO_CODES),
    (Side::Accounts, "POST /api/auth/password/forgot", NO_CODES),
    (Side::Accounts, "POST /api/auth/password/reset", NO_CODES),
    (Side::Accounts, "GET /internal/accounts/{account}/addresses/{id}", "no order names an address by its id"),
    (Side::Accounts, "POST /internal/codes/{id}/take", NO_CODES),
    (Side::Accounts, "POST /api/auth/logout-all", OTHER_ENDS),
    (Side::Accounts, "DELETE /api/auth/sessions/{id}", OTHER_ENDS),
    (Side::Accounts, "PUT /api/accounts/me/password", OTHER_ENDS),
    (Side::Accounts, "DELETE /api/accounts/me", OTHER_ENDS),
    (Side::Accounts, "POST /api/accounts/{id}/disable", OTHER_ENDS),
    (Side::Accounts, "POST /api/accounts/{id}/enable", OTHER_ENDS),
    (Side::Accounts, "POST /api/accounts/{id}/reset", OTHER_ENDS),
    (Side::Accounts, "PUT /api/accounts/{id}/roles", OTHER_ENDS),
    (Side::Accounts, "PATCH /api/accounts/me", NOT_OF_ORDERS),
    (Side::Accounts, "POST /api/accounts/me/addresses", NOT_OF_ORDERS),
    (Side::Accounts, "GET /api/accounts/me/addresses/{id}", NOT_OF_ORDERS),
    (Side::Accounts, "PUT /api/accounts/me/addresses/{id}", NOT_OF_ORDERS),
    (Side::Accounts, "DELETE /api/accounts/me/addresses/{id}", NOT_OF_ORDERS),
    (Side::Accounts, "PUT /api/accounts/me/addresses/{id}/default", NOT_OF_ORDERS),
    (Side::Accounts, "GET /api/accounts", NOT_OF_ORDERS),
    (Side::Accounts, "GET /api/accounts/{id}", NOT_OF_ORDERS),
    (Side::Accounts, "GET /api/accounts/{id}/audit", NOT_OF_ORDERS),
    (Side::Accounts, "POST /api/api-keys", NO_KEYS),
    (Side::Accounts, "GET /api/api-keys/{id}", NO_KEYS),
    (Side::Accounts, "DELETE /api/api-keys/{id}", NO_KEYS),
    (Side::Accounts, "POST /api/auth/token", NO_KEYS),
    (Side::Accounts, "POST /api/auth/introspect", NOT_OF_ORDERS),
    (Side::Accounts, "POST /api/auth/revoke", OTHER_ENDS),
    (Side::Accounts, "GET /api/admin/dead-letters", "asked at the end"),
    (Side::Accounts, "GET /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Accounts, "PATCH /api/admin/dead-letters/{id}", "a run must set nothing aside"),
    (Side::Accounts, "POST /api/admin/dead-letters/{id}/discard", "a run must set nothing aside"),
    (Side::Accounts, "POST /api/admin/dead-letters/{id}/replay", "a run must set nothing aside"),
    (Side::Accounts, "POST /api/admin/dead-letters/replay", "a run must set nothing aside"),
    (Side::Accounts, "GET /api/admin/invariants", "asked at the end"),
    (Side::Accounts, "GET /health/ready", "asked by the stage, after each fault"),
];

/// Why no client uses codes.
const NO_CODES: &str = "codes come by e-mail, and no way of sending is set up";

/// Why sessions end in one way only.
const OTHER_ENDS: &str = "takes tokens back by the same events and tables as a log-out";

/// Why clients do little with accounts beside logging in.
const NOT_OF_ORDERS: &str = "nothing of it reaches an order";

/// Why customers have no API keys.
const NO_KEYS: &str = "a key depends on account-service by design";

/// A request as it was made: the service, and `GET /api/orders/7`.
pub type Called = BTreeSet<(Side, String)>;

/// Every route of the services: `GET /api/orders/{id}`.
fn all() -> Result<Called, serde_json::Error> {
    let mut all = Called::new();
    for (side, document) in DOCUMENTS {
        let document: Value = serde_json::from_str(document)?;
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let methods = item.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
            all.extend(methods.map(|method| (side, format!("{method} {path}"))));
        }
    }
    Ok(all)
}

/// What does not hold: routes that are neither called nor excepted, and exceptions that nothing needs.
pub fn breaches(called: &Called) -> Vec<String> {
    let all = match all() {
        Ok(all) => all,
        Err(error) => return vec![format!("the OpenAPI documents cannot be read: {error}")],
    };
    let is_called = |(side, route): &(Side, String)| {
        called.iter().any(|(of, request)| of == side && is_call_of(request, route, *side, &all))
    };
    let left: BTreeSet<_> =
        all.iter().filter(|route| !is_called(route)).map(|(side, route)| (*side, route.as_str())).collect();
    let excepted: BTreeSet<_> = NOT_CALLED.iter().map(|(side, route, _)| (*side, *route)).collect();
    let uncalled = left.difference(&excepted).map(|route| format!("{route:?} is not called by any client"));
    let idle = excepted.difference(&left).map(|route| format!("{route:?} needs no exception"));
    uncalled.chain(idle).collect()
}

/// Whether a request is one of a route with placeholders, and not of one that names the part outright.
fn is_call_of(request: &str, route: &str, side: Side, all: &Called) -> bool {
    let (given, wanted): (Vec<&str>, Vec<&str>) = (request.split('/').collect(), route.split('/').collect());
    let alike = given.iter().zip(&wanted).all(|(given, wanted)| given == wanted || wanted.starts_with('{'));
    let named_outright = request != route && all.contains(&(side, request.to_owned()));
    given.len() == wanted.len() && alike && !named_outright
}

#[cfg(test)]
mod tests {
    use super::{Called, NOT_CALLED, Side, all, breaches};

    #[test]
    fn a_route_that_nobody_calls_and_an_exception_that_nobody_needs_are_found() {
        let mut called: Called = all().unwrap();
        let needless = breaches(&called);
        assert!(
            needless.iter().all(|it| it.ends_with("needs no exception")) && needless.len() == NOT_CALLED.len(),
            "{needless:?}"
        );
        called.retain(|(side, route)| !NOT_CALLED.iter().any(|(of, excepted, _)| side == of && route == excepted));
        assert_eq!(breaches(&called), [""; 0]);
        called.remove(&(Side::Orders, "GET /api/orders/{id}".to_owned()));
        assert_eq!(breaches(&called), [r#"(Orders, "GET /api/orders/{id}") is not called by any client"#]);
    }
}
