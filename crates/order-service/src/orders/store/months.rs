//! The tables `orders.months` and `orders.order_ranges`: the partitions of orders, of their lines and of their timelines.

use service_kit::partitions::Partitioned;

/// Orders by months, their lines and timelines by ranges of numbers.
pub const PARTITIONED: Partitioned = Partitioned {
    what: "orders",
    job: "keep the months of orders",
    add: "SELECT orders.add_months('orders', 'reference', $1) UNION ALL SELECT orders.add_order_ranges($1)",
    to_archive: "SELECT partition, held_by::text FROM orders.month_to_archive($1)",
    archive: "SELECT orders.archive_month($1)",
};
