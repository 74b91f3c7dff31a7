//! The table `inventory.movement_ranges`: the partitions of movements, and `inventory.opening_balances`, which stand for those
//! that are archived.

use service_kit::partitions::Partitioned;

/// Movements by ranges of their numbers.
pub const PARTITIONED: Partitioned = Partitioned {
    what: "movements",
    job: "keep the ranges of movements",
    add: "SELECT inventory.add_movement_ranges($1)",
    to_archive: "SELECT partition, held_by FROM inventory.movements_to_archive($1)",
    archive: "SELECT inventory.archive_movements($1)",
};
