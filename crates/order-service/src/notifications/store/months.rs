//! The partitions of `orders.notifications`, which `orders.months` lists.

use service_kit::partitions::Partitioned;

/// Messages by the months of their events.
pub const PARTITIONED: Partitioned = Partitioned {
    what: "notifications",
    job: "keep the months of notifications",
    add: "SELECT orders.add_months_of_notifications($1)",
    to_archive: "SELECT partition, held_by::text FROM orders.notifications_to_archive($1)",
    archive: "SELECT orders.archive_notifications($1)",
};
