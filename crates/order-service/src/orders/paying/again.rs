//! When a payment is looked at again of which nothing is to be done now.

use crate::payments::{Payment, PaymentStatus};
use shared_types::{Money, OrderStatus};
use time::{Duration, OffsetDateTime};

/// When a payment is looked at again of which nothing is heard: webhooks may be late, or never come.
const LOOKS: [Duration; 4] =
    [Duration::seconds(10), Duration::seconds(30), Duration::minutes(2), Duration::minutes(10)];

/// How often promised money is looked at that nobody takes yet, or that the provider does not let be taken.
const LOOK_AT_PROMISES: Duration = Duration::hours(6);

/// When a payment is looked at again that is closed here, and that its provider cannot close.
const RARELY: Duration = Duration::hours(1);

/// When a payment is looked at again whose order has this status; never where that is none. `is_asked`: its provider has yet to
/// say how something ended. `is_awaited`: its order waits for its money, and for no other. `attempts`: how often it was looked at in
/// vain.
///
/// The time is always to come: what is past would be due again at once, before everything else that waits.
pub(super) fn at(
    payment: &Payment,
    order: OrderStatus,
    (is_asked, is_awaited): (bool, bool),
    attempts: i32,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let attempts = usize::try_from(attempts).unwrap_or_default();
    let soon = now + LOOKS.get(attempts).copied().unwrap_or(LOOKS[LOOKS.len() - 1]);
    let seldom = |pause| if attempts < LOOKS.len() { soon } else { now + pause };
    let is_out = matches!(order, OrderStatus::Shipped | OrderStatus::Delivered);
    let next = if payment.status == PaymentStatus::Review {
        None
    } else if is_asked {
        Some(soon)
    } else if payment.waits_for_capture() && order != OrderStatus::Cancelled {
        // The goods take their time, and the provider tells of what happens meanwhile.
        let take_by = payment.take_by().filter(|take_by| !is_out && *take_by > now);
        Some(take_by.map_or_else(|| seldom(LOOK_AT_PROMISES), |take_by| take_by.min(now + LOOK_AT_PROMISES)))
    } else if payment.closed_at.is_none() && payment.provider_id.is_some() {
        Some(payment.pay_by.map_or(soon, |pay_by| pay_by.min(soon)))
    } else if is_awaited && payment.captured == Money::default() {
        payment.pay_by
    } else if payment.may_come_late(now) {
        Some(seldom(RARELY))
    } else {
        None
    };
    next.map(|next| if next > now { next } else { soon })
}

#[cfg(test)]
mod tests {
    use super::at;
    use crate::payments::{Capture, Payment, PaymentStatus, Provider};
    use shared_types::OrderStatus;
    use time::{Duration, OffsetDateTime};

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
    }

    /// A payment that was opened so long ago.
    fn payment(provider: Provider, status: PaymentStatus, age: Duration) -> Payment {
        let created_at = now() - age;
        Payment {
            provider_id: Some("there".to_owned()),
            capture: if provider == Provider::Stripe { Capture::Manual } else { Capture::Automatic },
            pay_by: Some(created_at + Duration::minutes(15)),
            closed_at: (status == PaymentStatus::Voided).then_some(created_at),
            ..Payment::sample(provider, status, created_at)
        }
    }

    #[test]
    fn nothing_is_put_off_to_what_is_past() {
        let minutes = [0, 10, 15, 60, 6 * 24 * 60, 8 * 24 * 60].map(Duration::minutes);
        let every = |age| PaymentStatus::ALL.iter().map(move |status| (*status, age));
        for (status, age) in minutes.into_iter().flat_map(every) {
            for provider in [Provider::Stripe, Provider::Razorpay] {
                let known = payment(provider, status, age);
                let unknown = Payment { provider_id: None, ..known.clone() };
                for (payment, order) in [known, unknown].iter().flat_map(|it| OrderStatus::ALL.map(|order| (it, order)))
                {
                    for is_awaited in [false, true] {
                        let next = at(payment, order, (false, is_awaited), 0, now());
                        assert!(next.is_none_or(|next| next > now()), "{order} {payment:?}: {next:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_taken_is_asked_for_less_and_less_often() {
        let late = payment(Provider::Stripe, PaymentStatus::Authorized, Duration::days(6));
        let after = |attempts| at(&late, OrderStatus::Confirmed, (false, false), attempts, now()).unwrap() - now();
        assert_eq!([0, 3, 4, 99].map(after), [10, 600, 6 * 3600, 6 * 3600].map(Duration::seconds));
        let fresh = payment(Provider::Stripe, PaymentStatus::Authorized, Duration::days(6) - Duration::hours(1));
        let next = at(&fresh, OrderStatus::Confirmed, (false, false), 99, now());
        assert_eq!(next, Some(now() + Duration::hours(1)), "when it is to be taken");
    }

    #[test]
    fn only_the_payment_that_an_order_waits_for_waits_for_its_time() {
        let closed = payment(Provider::Stripe, PaymentStatus::Voided, Duration::minutes(5));
        let next = |is_awaited| at(&closed, OrderStatus::Pending, (false, is_awaited), 0, now());
        assert_eq!((next(true), next(false)), (closed.pay_by, None));
    }
}
