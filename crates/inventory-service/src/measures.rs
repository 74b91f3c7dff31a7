//! What inventory-service measures beside what every service does.

use service_kit::measures::Measure;

/// Its metrics.
pub const MEASURES: &[Measure] = &[Measure::counters(
    "reservations_total",
    "Requests to hold or sell stock, by outcome",
    &[&[("outcome", "held")], &[("outcome", "sold")], &[("outcome", "repeated")], &[("outcome", "refused")]],
)];
