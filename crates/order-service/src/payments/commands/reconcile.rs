//! Holds a provider's lists of a day against our books: finds what has to be looked at, and notes money that nobody asked for.

use super::held::Held;
use crate::payments::domain::{FindingKind, Listed, ListedRefund, OperationStatus, Provider, RefundState, Shown};
use crate::payments::error::Error;
use crate::payments::store::findings::{self, NewFinding};
use crate::payments::store::reconciling::{self, Booked};
use shared_types::{Money, OrderId, PaymentId};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

/// Payments that have to be looked at, each with its order.
pub type Suspects = BTreeMap<PaymentId, OrderId>;

/// Compares the payments that a provider lists of a time with ours, in both directions; gives how many are not of this shop. Money of
/// this shop that belongs to no payment is noted, whatever differs otherwise has to be looked at.
pub async fn compare(
    conn: &mut PgConnection,
    provider: Provider,
    (from, to): (OffsetDateTime, OffsetDateTime),
    listed: &[Listed],
    suspects: &mut Suspects,
) -> Result<usize, Error> {
    let booked = reconciling::booked(conn, provider, listed).await?;
    let by_id: HashMap<&str, &Booked> =
        booked.iter().filter_map(|payment| Some((payment.provider_id.as_deref()?, payment))).collect();
    let by_reference: HashMap<Uuid, &Booked> = booked.iter().map(|payment| (payment.reference, payment)).collect();
    let mut foreign = 0;
    for theirs in listed {
        let named = theirs.reference.and_then(|reference| by_reference.get(&reference));
        if let Some(ours) = by_id.get(theirs.provider_id.as_str()) {
            if ours.captured != theirs.captured || Some(ours.reference) != theirs.reference {
                suspects.insert(ours.id, ours.order_id);
            }
        } else if let Some(ours) = named.filter(|ours| ours.provider_id.is_none()) {
            suspects.insert(ours.id, ours.order_id);
        } else if theirs.reference.is_none() {
            foreign += 1;
        } else if theirs.captured > Money::default() {
            let detail = match named {
                Some(_) => "money was taken a second time under the name of the payment",
                None => "money was taken under a name that no payment has",
            };
            let finding = NewFinding {
                kind: FindingKind::CapturedWithoutOrder,
                provider,
                payment: named.map(|ours| ours.id),
                object: &theirs.provider_id,
                ours: None,
                theirs: Some(theirs.captured),
                detail,
            };
            tracing::warn!(object = finding.object, detail, "the provider's books are not ours");
            findings::insert(conn, &finding).await?;
        }
    }
    let seen: HashSet<PaymentId> = booked.iter().map(|ours| ours.id).collect();
    let ours = reconciling::with_money(conn, provider, from, to).await?;
    suspects.extend(ours.into_iter().filter(|(id, _)| !seen.contains(id)));
    Ok(foreign)
}

/// Compares the refunds that a provider lists of a time with ours, in both directions; gives those that are in no operation of
/// ours.
pub async fn compare_refunds<'l>(
    conn: &mut PgConnection,
    provider: Provider,
    (from, to): (OffsetDateTime, OffsetDateTime),
    listed: &'l [ListedRefund],
    suspects: &mut Suspects,
) -> Result<Vec<&'l ListedRefund>, Error> {
    let booked = reconciling::booked_refunds(conn, provider, listed).await?;
    let mut unknown = Vec::new();
    for theirs in listed {
        let Some(ours) = booked.get(&theirs.refund.id) else {
            unknown.push(theirs);
            continue;
        };
        let fits = match theirs.refund.state {
            RefundState::Pending => ours.status == OperationStatus::Accepted,
            RefundState::Succeeded => ours.status == OperationStatus::Succeeded,
            RefundState::Failed => !ours.status.is_live(),
        };
        if !fits || ours.amount != theirs.refund.amount {
            suspects.insert(ours.payment_id, ours.order_id);
        }
    }
    for (name, payment, order) in reconciling::refunds_of(conn, provider, from, to).await? {
        if !name.is_some_and(|name| booked.contains_key(&name)) {
            suspects.insert(payment, order);
        }
    }
    Ok(unknown)
}

/// Notes what still does not fit once a locked payment was looked at. `None` where the provider does not show it.
pub async fn note_difference(conn: &mut PgConnection, held: &Held, shown: Option<&Shown>) -> Result<(), Error> {
    let payment = held.payment();
    let by_hand = held.refunds().filter(|it| it.by_hand && it.status == OperationStatus::Succeeded);
    let has_money = payment.authorized > Money::default();
    let (kind, ours, theirs, detail) = match shown {
        Some(shown) => match payment.difference_to(by_hand.map(|refund| refund.amount).sum(), shown) {
            Some((ours, theirs, detail)) => (FindingKind::Amount, ours, Some(theirs), detail),
            None => return Ok(()),
        },
        None if has_money => (FindingKind::HereOnly, payment.captured, None, "the provider does not show the payment"),
        None => return Ok(()),
    };
    let object = payment.provider_id.clone().unwrap_or_else(|| payment.reference.to_string());
    tracing::warn!(payment = %payment.id, kind = kind.as_str(), object, detail, "the provider's books are not ours");
    let finding = NewFinding {
        kind,
        provider: payment.provider,
        payment: Some(payment.id),
        object: &object,
        ours: Some(ours),
        theirs,
        detail,
    };
    Ok(findings::insert(conn, &finding).await?)
}
