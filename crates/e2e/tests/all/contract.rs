//! The contract: every call of every service, and who may make it. A call that comes or goes is written twice: in the code, and
//! here.

/// Who is let in, and what an API key must be for.
pub type Rule = (&'static str, Option<&'static str>);

pub const PUBLIC: Rule = ("everybody", None);
const PLACE: Rule = ("customers, administrators and guests", Some("orders:place"));
const CUSTOMERS: Rule = ("customers", None);
const OPERATORS: Rule = ("administrators", None);
/// People, for what is theirs.
const SELF: Rule = ("people", None);
const INTERNAL: Rule = ("order-service", None);
const ORDER_SERVICE: Rule = ("administrators and order-service", None);
const READ_RESERVATIONS: Rule = ("administrators and order-service", Some("admin:read"));
const ADMIN_READ: Rule = ("administrators", Some("admin:read"));
const WRITE_ORDERS: Rule = ("administrators", Some("orders:write"));
const READ_PAYMENTS: Rule = ("administrators", Some("payments:read"));
const WRITE_PAYMENTS: Rule = ("administrators", Some("payments:write"));
const PRODUCTS: Rule = ("administrators", Some("products:write"));
const STOCK: Rule = ("administrators", Some("stock:write"));

const fn own(scope: &'static str) -> Rule {
    ("customers and administrators", Some(scope))
}

/// What each service has.
const EVERY_SERVICE: &[(&str, Rule)] = &[
    ("get /api/admin/dead-letters", ADMIN_READ),
    ("get /api/admin/dead-letters/{id}", ADMIN_READ),
    ("get /api/admin/invariants", ADMIN_READ),
    ("get /health/live", PUBLIC),
    ("get /health/ready", PUBLIC),
    ("patch /api/admin/dead-letters/{id}", OPERATORS),
    ("post /api/admin/dead-letters/replay", OPERATORS),
    ("post /api/admin/dead-letters/{id}/discard", OPERATORS),
    ("post /api/admin/dead-letters/{id}/replay", OPERATORS),
];

/// What order-service has beside.
const ORDERS: &[(&str, Rule)] = &[
    ("delete /api/notifications", OPERATORS),
    ("get /api/admin/payments/findings", READ_PAYMENTS),
    ("get /api/notifications", OPERATORS),
    ("get /api/notifications/{id}", OPERATORS),
    ("get /api/notifications/{id}/explain", OPERATORS),
    ("get /api/notifications/{id}/html", OPERATORS),
    ("get /api/orders", own("orders:read")),
    ("get /api/orders/customer/{email}", WRITE_ORDERS),
    ("get /api/orders/guest/{token}", PUBLIC),
    ("get /api/orders/status/{status}", WRITE_ORDERS),
    ("get /api/orders/{id}", own("orders:read")),
    ("get /api/orders/{id}/explain", own("orders:read")),
    ("get /api/orders/{id}/notifications", ("customers and administrators", None)),
    ("get /api/orders/{id}/payments", own("payments:read")),
    ("get /api/orders/{id}/timeline", own("orders:read")),
    ("get /api/payments", READ_PAYMENTS),
    ("get /api/payments/{id}", own("payments:read")),
    ("patch /api/orders/{id}", own("orders:write")),
    ("patch /api/orders/{id}/status", WRITE_ORDERS),
    ("post /api/admin/payments/findings/{id}/resolve", WRITE_PAYMENTS),
    ("post /api/admin/payments/reconcile", WRITE_PAYMENTS),
    ("post /api/notifications/webhooks/brevo", PUBLIC),
    ("post /api/notifications/{id}/resend", OPERATORS),
    ("post /api/orders", PLACE),
    ("post /api/orders/guest/{token}/claim", CUSTOMERS),
    ("post /api/orders/{id}/cancel", own("orders:cancel")),
    ("post /api/orders/{id}/payments", own("payments:write")),
    ("post /api/payments/webhooks/razorpay", PUBLIC),
    ("post /api/payments/webhooks/stripe", PUBLIC),
    ("post /api/payments/{id}/capture", WRITE_PAYMENTS),
    ("post /api/payments/{id}/collect", WRITE_PAYMENTS),
    ("post /api/payments/{id}/confirm", own("payments:write")),
    ("post /api/payments/{id}/refunds", WRITE_PAYMENTS),
    ("post /api/payments/{id}/review", WRITE_PAYMENTS),
    ("post /api/payments/{id}/session", own("payments:write")),
    ("post /api/payments/{id}/void", WRITE_PAYMENTS),
    ("put /api/orders/{id}/status", WRITE_ORDERS),
];

/// What inventory-service has beside.
const INVENTORY: &[(&str, Rule)] = &[
    ("delete /api/inventory/products/{id}", PRODUCTS),
    ("get /api/inventory/products", PUBLIC),
    ("get /api/inventory/products/active", PUBLIC),
    ("get /api/inventory/products/low-stock", STOCK),
    ("get /api/inventory/products/{id}", PUBLIC),
    ("get /api/inventory/products/{id}/check-stock", PUBLIC),
    ("get /api/inventory/products/{id}/movements", STOCK),
    ("get /api/inventory/products/{id}/stock", STOCK),
    ("get /api/inventory/reservations", READ_RESERVATIONS),
    ("get /api/inventory/reservations/{id}", READ_RESERVATIONS),
    ("get /api/inventory/reservations/{id}/explain", ORDER_SERVICE),
    ("patch /api/inventory/products/{id}", PRODUCTS),
    ("post /api/inventory/products", PRODUCTS),
    ("post /api/inventory/products/{id}/add-stock", STOCK),
    ("post /api/inventory/products/{id}/count", STOCK),
    ("post /api/inventory/products/{id}/reduce-stock", STOCK),
    ("post /api/inventory/reservations", ORDER_SERVICE),
    ("post /api/inventory/reservations/batch", ORDER_SERVICE),
    ("post /api/inventory/reservations/settle", ORDER_SERVICE),
    ("post /api/inventory/reservations/{id}/commit", ORDER_SERVICE),
    ("post /api/inventory/reservations/{id}/release", ORDER_SERVICE),
    ("post /api/inventory/reserve-stock", ORDER_SERVICE),
    ("put /api/inventory/products/{id}", PRODUCTS),
];

/// What account-service has beside.
const ACCOUNTS: &[(&str, Rule)] = &[
    ("delete /api/accounts/me", SELF),
    ("delete /api/accounts/me/addresses/{id}", SELF),
    ("delete /api/api-keys/{id}", SELF),
    ("delete /api/auth/sessions/{id}", SELF),
    ("get /.well-known/jwks.json", PUBLIC),
    ("get /.well-known/oauth-authorization-server", PUBLIC),
    ("get /.well-known/openid-configuration", PUBLIC),
    ("get /api/accounts", OPERATORS),
    ("get /api/accounts/me", SELF),
    ("get /api/accounts/me/addresses", SELF),
    ("get /api/accounts/me/addresses/{id}", SELF),
    ("get /api/accounts/{id}", OPERATORS),
    ("get /api/accounts/{id}/audit", OPERATORS),
    ("get /api/api-keys", SELF),
    ("get /api/api-keys/{id}", SELF),
    ("get /api/auth/sessions", SELF),
    ("get /internal/accounts/{account}/addresses/{id}", INTERNAL),
    ("patch /api/accounts/me", SELF),
    ("post /api/accounts/me/addresses", SELF),
    ("post /api/accounts/{id}/disable", OPERATORS),
    ("post /api/accounts/{id}/enable", OPERATORS),
    ("post /api/accounts/{id}/reset", OPERATORS),
    ("post /api/api-keys", SELF),
    ("post /api/auth/introspect", ORDER_SERVICE),
    ("post /api/auth/login", PUBLIC),
    ("post /api/auth/logout", PUBLIC),
    ("post /api/auth/logout-all", SELF),
    ("post /api/auth/password/forgot", PUBLIC),
    ("post /api/auth/password/reset", PUBLIC),
    ("post /api/auth/refresh", PUBLIC),
    ("post /api/auth/register", PUBLIC),
    ("post /api/auth/revoke", ORDER_SERVICE),
    ("post /api/auth/token", PUBLIC),
    ("post /api/auth/verify", PUBLIC),
    ("post /internal/codes/{id}/take", INTERNAL),
    ("put /api/accounts/me/addresses/{id}", SELF),
    ("put /api/accounts/me/addresses/{id}/default", SELF),
    ("put /api/accounts/me/password", SELF),
    ("put /api/accounts/{id}/roles", OPERATORS),
];

/// The calls of a service, each such as `get /api/orders`. One that is not here may not be in its document.
pub fn calls_of(service: &str) -> Vec<&'static str> {
    let own = match service {
        "order-service" => ORDERS,
        "inventory-service" => INVENTORY,
        _ => ACCOUNTS,
    };
    EVERY_SERVICE.iter().chain(own).map(|(call, _)| *call).collect()
}

/// Every call with its rule.
pub fn all() -> impl Iterator<Item = &'static (&'static str, Rule)> {
    [EVERY_SERVICE, ORDERS, INVENTORY, ACCOUNTS].into_iter().flatten()
}

/// The rule of a call.
pub fn rule(call: &str) -> Rule {
    let known = all().find(|(name, _)| *name == call);
    known.unwrap_or_else(|| panic!("{call} is not in the contract")).1
}

/// Whether callers of an operation show their own signature or secret instead of a token.
pub fn is_webhook(operation: &str) -> bool {
    operation.contains("/webhooks/")
}
