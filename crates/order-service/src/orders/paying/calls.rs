//! What stands around each call of a provider: its span, and the points at which a test ends the process.

use crate::payments::{OperationKind, Payment};
use service_kit::telemetry;
use service_kit::traces::{self, Span};

/// Asks a provider, in a span of its own where the trace at hand is recorded.
pub(super) async fn traced<Done>(payment: &Payment, what: &str, call: impl Future<Output = Done>) -> Done {
    let cause = telemetry::current_traceparent();
    let span = Span::under(cause.as_deref(), traces::Kind::Client, || format!("payment {}", what.to_lowercase()));
    match span {
        Some(mut span) => {
            span.text("oms.payment.id", payment.id.to_string());
            span.text("oms.payment.provider", payment.provider.as_str());
            telemetry::within(Some(span.traceparent()), call).await
        }
        None => call.await,
    }
}

/// The failure point before a call.
pub(super) fn before_call(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => "before-create-call",
        OperationKind::Confirm => "before-confirm-call",
        OperationKind::Capture => "before-capture-call",
        OperationKind::Void => "before-void-call",
        OperationKind::Refund => "before-refund-call",
    }
}

/// The failure point after it.
pub(super) fn after_call(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => "after-create-call",
        OperationKind::Confirm => "after-confirm-call",
        OperationKind::Capture => "after-capture-call",
        OperationKind::Void => "after-void-call",
        OperationKind::Refund => "after-refund-call",
    }
}
