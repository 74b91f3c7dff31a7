//! What order-service measures beside what every service does.

use service_kit::measures::Measure;

/// Its metrics.
pub const MEASURES: &[Measure] = &[
    Measure::counter("orders_placed_total", "Orders whose stock is reserved"),
    Measure::counter("orders_accepted_total", "Orders that were accepted, to be placed later"),
    Measure::counter("orders_claimed_total", "Orders of guests that became a customer's"),
    Measure::counters(
        "order_status_changes_total",
        "Orders that came to a status, by status",
        &[
            &[("status", "PAID")],
            &[("status", "CONFIRMED")],
            &[("status", "SHIPPED")],
            &[("status", "DELIVERED")],
            &[("status", "CANCELLED")],
        ],
    ),
    Measure::counters(
        "payments_captured_total",
        "Payments whose money came in, by method",
        &[&[("method", "CASH_ON_DELIVERY")]],
    ),
    Measure::counters(
        "refunds_succeeded_total",
        "Refunds that were given, by cause",
        &[&[("cause", "MANUAL")], &[("cause", "ORDER_CANCELLED")]],
    ),
    Measure::counters(
        "async_placements_total",
        "Attempts to place what was accepted, by outcome",
        &[&[("outcome", "placed")], &[("outcome", "refused")], &[("outcome", "given_up")], &[("outcome", "retried")]],
    ),
    Measure::gauge("async_placements_waiting", "Accepted orders that wait to be placed"),
    Measure::gauge("inventory_circuit_state", "1 for the state of the circuit to inventory-service, 0 for the others"),
    Measure::counters(
        "inventory_circuit_transitions_total",
        "Changes of the circuit to inventory-service, by state",
        &[],
    ),
    Measure::counter("inventory_calls_refused_total", "Calls that the open circuit to inventory-service refused"),
    Measure::gauge(
        "account_service_circuit_state",
        "1 for the state of the circuit to account-service, 0 for the others",
    ),
    Measure::counters(
        "account_service_circuit_transitions_total",
        "Changes of the circuit to account-service, by state",
        &[],
    ),
    Measure::counters(
        "reservations_settled_total",
        "Reservations without news of their order that were settled, by outcome",
        &[&[("outcome", "committed")], &[("outcome", "released")]],
    ),
    Measure::counters(
        "notifications_written_total",
        "Messages to customers and the shop, by channel and status",
        &[
            &[("channel", "EMAIL"), ("status", "QUEUED")],
            &[("channel", "EMAIL"), ("status", "SKIPPED")],
            &[("channel", "SMS"), ("status", "QUEUED")],
            &[("channel", "SMS"), ("status", "SKIPPED")],
        ],
    ),
    Measure::counters(
        "notification_attempts_total",
        "Attempts to send a message, by channel and outcome",
        &[
            &[("channel", "EMAIL"), ("outcome", "sent")],
            &[("channel", "EMAIL"), ("outcome", "failed")],
            &[("channel", "SMS"), ("outcome", "sent")],
            &[("channel", "SMS"), ("outcome", "failed")],
        ],
    ),
    Measure::gauge("notifications_queued", "Messages that wait to be sent, by channel"),
    Measure::gauge("notifications_oldest_queued_seconds", "Age of the oldest message that waits, by channel"),
    Measure::gauge("notification_circuit_state", "1 for the state of the circuit to a provider, 0 for the others"),
    Measure::counters("notification_circuit_transitions_total", "Changes of the circuit to a provider, by state", &[]),
];
