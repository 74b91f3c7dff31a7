//! The kit's tables (outbox, inbox, dead letters, idempotency keys, keys of issuers, revocations, schema floor) stand in each
//! service's own schema; this puts the schema's name into the kit's statements.

use sqlx::AssertSqlSafe;

/// The name of a service's schema. Always a literal in the code, so no input ever reaches a statement by it.
#[derive(Clone, Copy, Debug)]
pub struct Schema(pub &'static str);

impl Schema {
    /// The statement with every `{schema}` replaced.
    pub(crate) fn sql(self, statement: &'static str) -> AssertSqlSafe<String> {
        AssertSqlSafe(statement.replace("{schema}", self.0))
    }
}
