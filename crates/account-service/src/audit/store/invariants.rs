//! What must hold in the audit trail at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    // From where the archive ended.
    Invariant {
        name: "audit-is-whole",
        promise: "P11",
        query: "WITH archive AS (
                    SELECT end_id, last_hash FROM accounts.audit_ranges
                    WHERE archived_at IS NOT NULL ORDER BY end_id DESC LIMIT 1)
                SELECT id::text, CASE
                    WHEN id <> place THEN 'entries before it are missing'
                    WHEN previous <> before THEN 'it does not follow the entry before it'
                    ELSE 'it was changed' END
                FROM (SELECT a.id, a.previous, a.hash, accounts.audit_hash(a) AS computed,
                             COALESCE((SELECT end_id - 1 FROM archive), 0) + row_number() OVER (ORDER BY a.id) AS place,
                             COALESCE(lag(a.hash) OVER (ORDER BY a.id), (SELECT last_hash FROM archive), '') AS before
                      FROM accounts.audit a) e
                WHERE id <> place OR previous <> before OR hash <> computed ORDER BY id LIMIT 100",
    },
    Invariant {
        name: "audit-ranges-are-ahead",
        promise: "P9",
        query: "SELECT 'audit', 'has room for entries before ' || end_id
                FROM (SELECT end_id FROM accounts.audit_ranges ORDER BY end_id DESC LIMIT 1) r
                WHERE end_id <= (SELECT id FROM accounts.last_audit())",
    },
];
