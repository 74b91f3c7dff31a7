//! What must hold in the audit trail at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[Invariant {
    name: "audit-is-whole",
    promise: "P11",
    query: "SELECT id::text, CASE
                WHEN id <> place THEN 'entries before it are missing'
                WHEN previous <> before THEN 'it does not follow the entry before it'
                ELSE 'it was changed' END
            FROM (SELECT a.id, a.previous, a.hash, accounts.audit_hash(a) AS computed,
                         row_number() OVER (ORDER BY a.id) AS place,
                         COALESCE(lag(a.hash) OVER (ORDER BY a.id), '') AS before
                  FROM accounts.audit a) e
            WHERE id <> place OR previous <> before OR hash <> computed ORDER BY id LIMIT 100",
}];
