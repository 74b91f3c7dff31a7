//! What order-service measures beside what every service does.

use service_kit::measures::{Label, Measure};

/// Why money is given back.
const REFUNDS: &[&[Label]] =
    &[&[("cause", "EXTERNAL")], &[("cause", "LATE")], &[("cause", "MANUAL")], &[("cause", "ORDER_CANCELLED")]];

/// Its metrics.
pub const MEASURES: &[Measure] = &[
    Measure::counter("orders_placed_total", "Orders whose stock is reserved"),
    Measure::counter(
        "orders_to_confirm_total",
        "Orders that wait for nothing but their stock: placed without a payment that is due, or paid",
    ),
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
        "Payments whose money came in, by method and provider",
        &[
            &[("method", "CARD"), ("provider", "razorpay")],
            &[("method", "CARD"), ("provider", "stripe")],
            &[("method", "CASH_ON_DELIVERY"), ("provider", "on_delivery")],
            &[("method", "NET_BANKING"), ("provider", "razorpay")],
            &[("method", "UPI"), ("provider", "razorpay")],
            &[("method", "WALLET"), ("provider", "razorpay")],
        ],
    ),
    Measure::counters(
        "payments_failed_total",
        "Attempts to pay that failed, by method",
        &[&[("method", "CARD")], &[("method", "NET_BANKING")], &[("method", "UPI")], &[("method", "WALLET")]],
    ),
    Measure::counters("refunds_succeeded_total", "Refunds that were given, by cause", REFUNDS),
    Measure::counters("refunds_failed_total", "Refunds that failed, also after they had succeeded, by cause", REFUNDS),
    Measure::counters(
        "payment_webhooks_total",
        "What providers told of payments, by provider and outcome",
        &[
            &[("provider", "razorpay"), ("outcome", "about_nothing")],
            &[("provider", "razorpay"), ("outcome", "heard")],
            &[("provider", "razorpay"), ("outcome", "refused")],
            &[("provider", "razorpay"), ("outcome", "repeated")],
            &[("provider", "stripe"), ("outcome", "about_nothing")],
            &[("provider", "stripe"), ("outcome", "heard")],
            &[("provider", "stripe"), ("outcome", "refused")],
            &[("provider", "stripe"), ("outcome", "repeated")],
        ],
    ),
    Measure::gauge("payment_webhook_age_seconds", "Time since a payment provider was last heard, by provider"),
    Measure::histogram(
        "payment_provider_call_seconds",
        "Time that a call of a payment provider took, by provider and outcome",
    ),
    Measure::gauge(
        "payment_provider_circuit_state",
        "1 for the state of the circuit to a payment provider, 0 for the others",
    ),
    Measure::counters(
        "payment_provider_circuit_transitions_total",
        "Changes of the circuit to a payment provider, by provider and state",
        &[],
    ),
    Measure::gauge("payments_in_review", "Payments that somebody has to look at"),
    Measure::gauge(
        "payments_waiting",
        "Payments at which it is time to look, or of which something is to be sent, at most 10,000 are counted",
    ),
    Measure::gauge(
        "payment_operations_unknown_seconds",
        "Age of the oldest call of a payment provider whose outcome is not known, 0 where there is none",
    ),
    Measure::gauge(
        "payment_findings_open",
        "What does not fit between the books of payment providers and ours, by kind",
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
