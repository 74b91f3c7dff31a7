//! The table `accounts.audit_ranges`: the partitions of the audit.

use service_kit::partitions::Partitioned;

/// Entries by ranges of numbers.
pub const PARTITIONED: Partitioned = Partitioned {
    what: "audit",
    job: "keep the ranges of the audit",
    add: "SELECT accounts.add_audit_ranges($1)",
    to_archive: "SELECT partition, held_by FROM accounts.audit_to_archive($1)",
    archive: "SELECT accounts.archive_audit($1)",
};
