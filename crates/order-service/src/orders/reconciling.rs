//! EDGE: holds our books of a day against those of the payment providers, in both directions.
//!
//! What a provider lists is compared with what we have. Where they differ, the payment is looked at as ever: that takes over
//! what we have not seen. What then still differs is a finding for people.

use crate::orders::commands::pay;
use crate::orders::error::Error;
use crate::orders::state::Orders;
use crate::orders::store;
use crate::payments::{
    self, Answer, Held, Payment, Provider, Reconciled, ReconciledProvider, Shown, Suspects, findings, queue,
    reconciling,
};
use service_kit::access::Scope;
use shared_types::{OrderId, PaymentId};
use std::sync::Arc;
use time::{Date, OffsetDateTime};

/// Does the days that are over and not done yet, the oldest first, once the time of the day has come.
pub async fn reconcile_days(orders: Arc<Orders>) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let Some(newest) = now.date().previous_day() else { return Ok(()) };
    if now.time() < orders.payments.reconcile_at || orders.payments.providers.set_up().next().is_none() {
        return Ok(());
    }
    let db = orders.db.pool();
    while let Some(day) = reconciling::claim(db, newest).await? {
        let reconciled = reconcile(&orders, day).await?;
        reconciling::done(db, day).await?;
        tracing::info!(%day, findings = reconciled.findings, "the books of a day were held against the providers'");
    }
    Ok(())
}

/// Does one day.
pub async fn reconcile(orders: &Orders, day: Date) -> Result<Reconciled, Error> {
    let before = findings::newest(orders.db.pool()).await?;
    let mut providers = Vec::new();
    for provider in orders.payments.providers.set_up() {
        providers.push(reconcile_with(orders, provider, day).await?);
    }
    Ok(Reconciled { day, findings: findings::newer_than(orders.db.pool(), before).await?, providers })
}

async fn reconcile_with(orders: &Orders, provider: Provider, day: Date) -> Result<ReconciledProvider, Error> {
    let from = day.midnight().assume_utc();
    let time = (from, from + time::Duration::DAY);
    let theirs = &orders.payments.providers;
    let listed = done(theirs.payments_between(provider, time).await)?;
    let refunds = done(theirs.refunds_between(provider, time).await)?;
    let mut suspects = Suspects::new();
    let mut transaction = orders.db.begin().await?;
    let foreign = payments::compare(&mut transaction, provider, time, &listed, &mut suspects).await?;
    let unknown = payments::compare_refunds(&mut transaction, provider, time, &refunds, &mut suspects).await?;
    orders.db.commit(transaction).await?;
    for refund in unknown {
        let Some(name) = done(theirs.payment_of(provider, refund).await)? else { continue };
        let mut conn = orders.db.pool().acquire().await?;
        suspects.extend(payments::by_name(&mut conn, provider, Some(&name), None).await?);
    }
    for (payment, order) in &suspects {
        look_at(orders, *order, *payment).await?;
    }
    let (payments, refunds, looked_at) = (listed.len(), refunds.len(), suspects.len());
    Ok(ReconciledProvider { provider, payments, refunds, foreign, looked_at })
}

/// What a provider answers to a question, or why it cannot be asked.
fn done<Done>(answer: Answer<Done>) -> Result<Done, Error> {
    let why = match answer {
        Answer::Done(done) => return Ok(done),
        Answer::Later(_) => "the provider takes no more calls for a moment".to_owned(),
        Answer::NotSent(why) | Answer::Unknown(why) | Answer::Failed(why) => {
            format!("the provider cannot be asked: {why}")
        }
        Answer::Refused(code) => format!("the provider does not answer: {code}"),
    };
    Err(payments::Error::ProviderAway(why).into())
}

/// Looks at a payment of which the lists differ, takes over what is shown, and notes what differs still.
async fn look_at(orders: &Orders, order: OrderId, payment: PaymentId) -> Result<(), Error> {
    let Some(before) = payments::find(orders.db.pool(), order, payment).await? else { return Ok(()) };
    let shown = match orders.payments.providers.look(&before).await {
        // It says so of what it does not have.
        Answer::Refused(_) => None,
        answer => done(answer)?,
    };
    if settle(orders, &before, shown.as_ref()).await? {
        orders.payments.woken.notify_one();
    }
    Ok(())
}

/// Gives whether the payment is looked at again: it has changed meanwhile, and nothing can be said of it.
async fn settle(orders: &Orders, before: &Payment, shown: Option<&Shown>) -> Result<bool, Error> {
    let mut transaction = orders.db.begin().await?;
    let Some(mut order) = store::lock(&mut transaction, Scope::system(), before.order_id).await? else {
        return Ok(false);
    };
    let Some(mut held) = Held::lock(&mut transaction, order.id, before.id).await? else { return Ok(false) };
    let is_old = held.payment().version != before.version;
    if is_old {
        queue::hint(&mut transaction, before.id, order.id).await?;
    } else if let Some(shown) = shown {
        pay::see(&mut transaction, OffsetDateTime::now_utc(), &mut order, &mut held, shown).await?;
    }
    if !is_old {
        payments::note_difference(&mut transaction, &held, shown).await?;
    }
    orders.db.commit(transaction).await?;
    Ok(is_old)
}
