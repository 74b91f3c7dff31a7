//! What is promised of tokens while nothing is broken, and while account-service alone is away. Looked at after the faults,
//! while the clients still work.

use crate::clients::ChaosClient;
use crate::clock::Clock;
use crate::error::ChaosError;
use crate::faults::rotate_keys;
use crate::figures::{Away, Refusal};
use crate::history::SharedHistory;
use crate::operations::SCARCE;
use crate::schedule::Process;
use crate::stage::Stage;
use crate::tokens::{answers, until};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(50);

/// Orders of a customer while account-service is away.
const ORDERS: usize = 20;

/// Sessions of the run that are looked at once more.
const SESSIONS: usize = 50;

/// Looks at it; `visitor` becomes a customer for that.
pub async fn look(
    stage: &Stage,
    history: &SharedHistory,
    mut visitor: ChaosClient,
    clock: Clock,
) -> Result<(), ChaosError> {
    clock.say("nothing is broken: sessions end, keys are revoked");
    ended_sessions_are_over(stage, history).await;

    accepted(stage, history, &mut visitor).await;
    let token = visitor.access_token().unwrap_or_default();
    visitor.log_out().await;
    refused(stage, history, "log-out", &token).await;

    // Twice: the second key is one that every service had no reason to ask for again so soon.
    for _ in 0..2 {
        accepted(stage, history, &mut visitor).await;
        let token = visitor.access_token().unwrap_or_default();
        rotate_keys(stage, history).await?;
        let rotated = Instant::now();
        refused(stage, history, "revoked key", &token).await;
        visitor.refresh().await;
        accepted(stage, history, &mut visitor).await;
        history.lock().figures.new_keys.push(rotated.elapsed());
    }

    clock.say("account-service is away");
    without_accounts(stage, history, visitor).await?;
    stage.all_ready().await
}

/// What ended while things were broken is refused by now: messages were held up, not lost.
async fn ended_sessions_are_over(stage: &Stage, history: &SharedHistory) {
    let ended = history.lock().ended.clone();
    for token in ended.iter().rev().take(SESSIONS) {
        if until(async || answers(stage, token).await.iter().all(|status| *status == 401)).await.is_none() {
            let statuses = answers(stage, token).await;
            history.lock().found(format!("the token of a session that is over was answered {statuses:?}"));
        }
    }
}

/// Gets tokens, which every process accepts.
async fn accepted(stage: &Stage, history: &SharedHistory, visitor: &mut ChaosClient) {
    visitor.renew().await;
    let token = visitor.access_token().unwrap_or_default();
    if until(async || answers(stage, &token).await.iter().all(|status| *status == 200)).await.is_none() {
        let statuses = answers(stage, &token).await;
        history.lock().found(format!("a good token was answered {statuses:?}"));
    }
}

/// Notes how soon every process refuses the token.
async fn refused(stage: &Stage, history: &SharedHistory, by: &'static str, token: &str) {
    let after = until(async || answers(stage, token).await.iter().all(|status| *status == 401)).await;
    history.lock().figures.refusals.push(Refusal { by, after });
}

/// Placing never depends on account-service: neither does an order-service that is started while it is away.
async fn without_accounts(stage: &Stage, history: &SharedHistory, mut visitor: ChaosClient) -> Result<(), ChaosError> {
    let mut away = Vec::new();
    for running in &stage.accounts {
        let mut service = running.service.lock().await;
        service.kill();
        away.push(service);
    }
    let restarted = Process::Order(1);
    {
        let mut service = stage.process(restarted).service.lock().await;
        service.kill();
        service.launch()?;
    }
    stage.ready(restarted).await?;
    let mut placed = 0;
    for _ in 0..ORDERS {
        // One piece of what does not run out.
        placed += usize::from(visitor.place(&vec![(SCARCE, 1)]).await);
        sleep(PAUSE).await;
    }
    history.lock().figures.away = Some(Away { asked: ORDERS, placed });
    away.iter_mut().try_for_each(|service| service.launch())?;
    Ok(())
}
