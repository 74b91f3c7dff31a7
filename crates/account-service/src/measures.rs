//! What account-service measures beside what every service does.

use service_kit::measures::Measure;

/// Its metrics.
pub const MEASURES: &[Measure] = &[
    Measure::counter("password_hashes_total", "Passwords that were hashed, to keep or to compare them"),
    Measure::counters(
        "auth_logins_total",
        "Attempts to log in, by outcome: refused are those that were not tried",
        &[&[("outcome", "ok")], &[("outcome", "failed")], &[("outcome", "refused")]],
    ),
    Measure::counter("auth_refresh_reuse_total", "Sessions that ended because a used refresh token came again"),
];
