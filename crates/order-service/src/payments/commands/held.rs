//! A locked payment with what was done to its money, as both are in this transaction: written in the tables and here at once, so
//! that nothing is read twice.

use crate::payments::domain::{Known, Observed, Operation, OperationKind, OperationStatus, Payment, Provider, Trial};
use crate::payments::error::Error;
use crate::payments::store::{self, Move, NewOperation};
use shared_types::{Money, OrderId, PaymentId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A payment whose order and which itself the caller's transaction has locked.
#[derive(Clone, Debug)]
pub struct Held {
    payment: Payment,
    /// Oldest first.
    operations: Vec<Operation>,
}

impl Held {
    /// Locks a payment of this order, which the caller has locked, until the end of the transaction.
    pub async fn lock(conn: &mut PgConnection, order: OrderId, id: PaymentId) -> Result<Option<Self>, sqlx::Error> {
        let Some(payment) = store::lock(conn, order, id).await? else { return Ok(None) };
        let operations = store::operations_of(conn, &[id]).await?;
        Ok(Some(Self { payment, operations }))
    }

    /// Locks the payments of an order, which the caller has locked; newest first.
    pub async fn lock_all(conn: &mut PgConnection, order: OrderId) -> Result<Vec<Self>, sqlx::Error> {
        let payments = store::lock_of_order(conn, order).await?;
        let ids: Vec<PaymentId> = payments.iter().map(|payment| payment.id).collect();
        let operations = store::operations_of(conn, &ids).await?;
        let of = |id| operations.iter().filter(|operation| operation.payment_id == id).cloned().collect();
        Ok(payments.into_iter().map(|payment| Self { operations: of(payment.id), payment }).collect())
    }

    /// One that was just opened: nothing was done to its money.
    pub(super) fn opened(payment: Payment) -> Self {
        Self { payment, operations: Vec::new() }
    }

    /// The payment.
    pub fn payment(&self) -> &Payment {
        &self.payment
    }

    /// What was done to its money, oldest first.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What its provider is to be asked for: what was decided first, first.
    pub fn open(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.status.is_open())
    }

    /// Whether the provider may know of it: of one that nobody was asked for it does not.
    pub fn may_be_known(&self) -> bool {
        let was_asked = || self.open().any(|operation| operation.status != OperationStatus::Prepared);
        !self.payment.provider.is_on_delivery() && (self.payment.provider_id.is_some() || was_asked())
    }

    pub(super) fn has_open(&self, kind: OperationKind) -> bool {
        self.open().any(|operation| operation.kind == kind)
    }

    pub(super) fn refunds(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.kind == OperationKind::Refund)
    }

    /// Writes an operation of the one who takes the money of this payment.
    pub(super) async fn insert(
        &mut self,
        conn: &mut PgConnection,
        new: &NewOperation<'_>,
    ) -> Result<Operation, sqlx::Error> {
        self.insert_by(conn, self.payment.provider, new).await
    }

    /// Writes an operation that people do, as they do at the door: no provider is asked for it, and none shows it.
    pub(super) async fn insert_by_hand(
        &mut self,
        conn: &mut PgConnection,
        new: &NewOperation<'_>,
    ) -> Result<Operation, sqlx::Error> {
        self.insert_by(conn, Provider::OnDelivery, new).await
    }

    async fn insert_by(
        &mut self,
        conn: &mut PgConnection,
        by: Provider,
        new: &NewOperation<'_>,
    ) -> Result<Operation, sqlx::Error> {
        let operation = store::insert_operation(conn, (self.payment.id, by), new).await?;
        self.operations.push(operation.clone());
        Ok(operation)
    }

    /// Moves an operation on.
    pub(super) async fn advance(
        &mut self,
        conn: &mut PgConnection,
        id: Uuid,
        step: Move<'_>,
    ) -> Result<Operation, sqlx::Error> {
        let moved = store::move_operation(conn, id, step).await?;
        self.replace(&moved);
        Ok(moved)
    }

    /// Drops those of the operations that were not sent yet: they never will be.
    pub(super) async fn drop_unsent(
        &mut self,
        conn: &mut PgConnection,
        which: impl Fn(&Operation) -> bool,
    ) -> Result<(), sqlx::Error> {
        let unsent = self.operations.iter().filter(|it| it.status == OperationStatus::Prepared && which(it));
        for id in unsent.map(|operation| operation.id).collect::<Vec<_>>() {
            self.advance(conn, id, Move::to(OperationStatus::Dropped)).await?;
        }
        Ok(())
    }

    /// Notes that the provider is asked for an operation; gives what the customer's means of payment is tried with.
    pub(super) async fn send(&mut self, conn: &mut PgConnection, id: Uuid) -> Result<Option<Trial>, sqlx::Error> {
        let (sent, trial) = store::send_operation(conn, id).await?;
        self.replace(&sent);
        Ok(trial)
    }

    fn replace(&mut self, operation: &Operation) {
        for kept in self.operations.iter_mut().filter(|kept| kept.id == operation.id) {
            kept.clone_from(operation);
        }
    }

    /// Writes the payment as it is `known` to be and with the names in `named`: the one way by which its amounts and its status
    /// change. What was given back, and what is to be, is the sum of its operations. Gives the payment as it was before.
    pub(super) async fn write(
        &mut self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        named: Payment,
        known: &Known,
    ) -> Result<Payment, Error> {
        let kept = &self.payment;
        let sum = |counts: fn(OperationStatus) -> bool| -> Money {
            self.refunds().filter(|refund| counts(refund.status)).map(|refund| refund.amount).sum()
        };
        let known = Known { refunded: sum(|status| status == OperationStatus::Succeeded), ..*known };
        let (from, to) = (kept.status, known.status());
        if from != to && !from.may_become(to) {
            return Err(Error::NotAllowed { id: kept.id, status: from, not: "it cannot go back" });
        }
        let closed = known.is_closed(&kept.terms());
        let changed = Payment {
            status: to,
            authorized: known.amounts.authorized,
            captured: known.amounts.captured,
            released: known.amounts.released,
            refund_reserved: sum(OperationStatus::is_live),
            refunded: known.refunded,
            closed_at: kept.closed_at.or(closed.then_some(now)),
            ..named
        };
        let after = if changed == *kept { changed } else { store::update(conn, &changed).await? };
        Ok(std::mem::replace(&mut self.payment, after))
    }

    /// Writes what a look shows: twice, or after a newer one, it changes nothing. Gives the payment as it was before.
    pub(super) async fn apply(
        &mut self,
        conn: &mut PgConnection,
        now: OffsetDateTime,
        observed: &Observed,
    ) -> Result<Payment, Error> {
        let known = self.payment.known().seeing(&self.payment.terms(), observed);
        self.write(conn, now, self.payment.clone(), &known).await
    }

    /// Writes the sums of the operations, which were changed.
    pub(super) async fn write_sums(&mut self, conn: &mut PgConnection, now: OffsetDateTime) -> Result<Payment, Error> {
        self.write(conn, now, self.payment.clone(), &self.payment.known()).await
    }
}
