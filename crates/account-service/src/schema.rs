//! Where the service's tables are: the schema and its migrations, its outbox and the answers it keeps.

use service_kit::idempotency::IdempotencyKeys;
use service_kit::outbox::Outbox;
use service_kit::schema::Schema;
use sqlx::migrate::Migrator;

/// The schema of every table of this service.
pub const SCHEMA: Schema = Schema("accounts");

/// What makes the tables.
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/account-service")
}

/// Events the service announces.
pub const OUTBOX: Outbox = Outbox { schema: SCHEMA, source: "/account-service" };

/// Answers kept for requests that come again.
pub const IDEMPOTENCY: IdempotencyKeys = IdempotencyKeys(SCHEMA);
