//! What must hold in the tables of sessions at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "one-refresh-token-is-good",
        promise: "P11",
        query: "SELECT session_id::text, 'it has ' || COUNT(*) || ' refresh tokens that nobody used'
                FROM accounts.refresh_tokens WHERE used_at IS NULL GROUP BY session_id HAVING COUNT(*) > 1
                ORDER BY session_id LIMIT 100",
    },
    Invariant {
        name: "who-may-not-log-in-has-no-session",
        promise: "P11",
        query: "SELECT s.id::text, 'its account is ' || u.status FROM accounts.sessions s
                JOIN accounts.users u ON u.id = s.user_id
                WHERE s.revoked_at IS NULL AND s.absolute_until > now() AND u.status <> 'ACTIVE' ORDER BY s.id LIMIT 100",
    },
];
