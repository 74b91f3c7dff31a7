//! Carrying out the schedule: one task for each fault, so that a slow restart holds nothing else up.

use crate::clock::Clock;
use crate::error::ChaosError;
use crate::history::SharedHistory;
use crate::schedule::{Fault, Planned, Process, Trouble};
use crate::stage::{self, Ground, Stage};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use testbed::Service;
use testbed::process::tail;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a service may take to end after SIGTERM; it promises 25 s for what is in flight.
const END_LIMIT: Duration = Duration::from_secs(40);

const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Carries the schedule out; returns when every fault is over and what it broke has been started again.
pub async fn carry_out(
    stage: &Arc<Stage>,
    planned: Vec<Planned>,
    seconds: u32,
    history: &SharedHistory,
    clock: Clock,
) -> Result<(), ChaosError> {
    let (began, mut faults) = (Instant::now(), JoinSet::new());
    let end = began + Duration::from_secs(seconds.into());
    for Planned { at, fault } in planned {
        sleep_until(began + at).await;
        let (stage, history) = (stage.clone(), history.clone());
        faults.spawn(async move { strike(&stage, Blow { fault, end, clock }, &history).await });
    }
    sleep_until(end).await;
    while let Some(fault) = faults.join_next().await {
        fault??;
    }
    Ok(())
}

/// A fault whose time has come.
#[derive(Clone, Copy)]
struct Blow {
    fault: Fault,
    end: Instant,
    clock: Clock,
}

impl Blow {
    /// Waits until nobody else is stopping or starting the target. On a slow machine restarts take long: what has not
    /// had its turn when the load ends is left out.
    async fn take<'a, T>(self, target: &'a Mutex<T>, history: &SharedHistory) -> Option<MutexGuard<'a, T>> {
        let taken = timeout_at(self.end, target.lock()).await.ok();
        if taken.is_some() {
            self.clock.say(&format!("* {}", self.fault));
            history.lock().fault(self.fault.kind());
        } else {
            self.clock.say(&format!("  left out, the one before takes too long: {}", self.fault));
        }
        taken
    }
}

async fn strike(stage: &Stage, blow: Blow, history: &SharedHistory) -> Result<(), ChaosError> {
    // A fleet has blows of its own.
    let Ground::Alone(alone) = &stage.ground else { return Ok(()) };
    match blow.fault {
        Fault::Kill(process, pause) => {
            let Some(mut service) = blow.take(&stage.process(process).service, history).await else { return Ok(()) };
            service.kill();
            sleep(pause).await;
            service.launch()?;
        }
        Fault::Terminate(process, pause) => {
            let Some(mut service) = blow.take(&stage.process(process).service, history).await else { return Ok(()) };
            stage.listens(process, END_LIMIT).await;
            terminate(&mut service, process, history).await;
            sleep(pause).await;
            service.launch()?;
        }
        Fault::Pause(process, pause) => {
            let Some(service) = blow.take(&stage.process(process).service, history).await else { return Ok(()) };
            service.pause();
            sleep(pause).await;
            service.resume();
        }
        Fault::StopPostgres(pause) | Fault::KillPostgres(pause) => {
            let Some(postgres) = blow.take(&alone.postgres, history).await else { return Ok(()) };
            let server = postgres.clone();
            let immediate = matches!(blow.fault, Fault::StopPostgres(_));
            let restart = move || {
                if immediate {
                    server.stop_immediately()?
                } else {
                    server.kill()?
                }
                std::thread::sleep(pause);
                server.restart()
            };
            tokio::task::spawn_blocking(restart).await??;
        }
        Fault::CutDatabase => {
            let Some(postgres) = blow.take(&alone.postgres, history).await else { return Ok(()) };
            let statement = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            stage::sql(postgres.psql(), statement).await?;
        }
        Fault::RestartRabbitMq => {
            let Some(rabbitmq) = blow.take(&alone.rabbitmq, history).await else { return Ok(()) };
            let server = rabbitmq.clone();
            tokio::task::spawn_blocking(move || server.restart()).await??;
        }
        Fault::KillRabbitMq(pause) => {
            let Some(rabbitmq) = blow.take(&alone.rabbitmq, history).await else { return Ok(()) };
            let server = rabbitmq.clone();
            let restart = move || {
                server.kill()?;
                std::thread::sleep(pause);
                server.restart()
            };
            tokio::task::spawn_blocking(restart).await??;
        }
        Fault::CutBroker => {
            let Some(_up) = blow.take(&alone.rabbitmq, history).await else { return Ok(()) };
            cut_broker(stage).await?;
        }
        Fault::RotateKeys => {
            let Some(_up) = blow.take(&alone.postgres, history).await else { return Ok(()) };
            rotate_keys(stage, history).await?;
        }
        Fault::CloseProviders(pause) => {
            let Some(providers) = blow.take(&stage.providers, history).await else { return Ok(()) };
            providers.close().await;
            sleep(pause).await;
            providers.open().await?;
        }
        Fault::TroubleProviders(trouble, pause) => {
            let Some(providers) = blow.take(&stage.providers, history).await else { return Ok(()) };
            for calls in calls_in(trouble) {
                providers.always(calls, of_provider(trouble));
            }
            sleep(pause).await;
            providers.clear_faults();
        }
    }
    Ok(())
}

/// Which calls the trouble is with. Stripe keeps an error under the key of a refund that was not done, and for an hour nobody
/// can tell that from one which is not shown yet: no run waits for so long.
fn calls_in(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Error => &["POST /v1/payment_intents", "POST /v1/orders", "POST /v1/payments/", "GET /v1/"],
        _ => &["POST /v1/", "GET /v1/"],
    }
}

fn of_provider(trouble: Trouble) -> payment_sandbox::Fault {
    use payment_sandbox::Fault;
    match trouble {
        Trouble::SilenceBefore => Fault::SilenceBefore,
        Trouble::SilenceAfter => Fault::SilenceAfter,
        Trouble::Error => Fault::Error,
        Trouble::ErrorAfter => Fault::ErrorAfter,
        Trouble::Cut => Fault::Cut,
        Trouble::TooMany => Fault::TooMany,
        Trouble::Slow(time) => Fault::Slow(time),
    }
}

/// Revokes the keys that sign tokens, and notes when: a token of before may be refused from then on.
pub async fn rotate_keys(stage: &Stage, history: &SharedHistory) -> Result<(), ChaosError> {
    let place = {
        let mut history = history.lock();
        history.rotations.push(None);
        history.rotations.len() - 1
    };
    stage.rotate_keys().await?;
    history.lock().rotations[place] = Some(std::time::Instant::now());
    Ok(())
}

/// SIGTERM, and the end of the process, which must come in time and with success.
pub async fn terminate(service: &mut Service, process: Process, history: &SharedHistory) {
    service.ask_to_end();
    let asked = Instant::now();
    loop {
        match service.exit_status() {
            Some(status) if status.success() => break,
            Some(status) => {
                history.lock().found(format!("{process} was asked to end and ended with {status}"));
                break;
            }
            None if asked.elapsed() > END_LIMIT => {
                let limit = END_LIMIT.as_secs();
                history.lock().found(format!("{process} was asked to end and had not after {limit} s"));
                break;
            }
            None => sleep(WATCH_PAUSE).await,
        }
    }
    // Collects the process; one that did not end is ended now.
    service.kill();
}

#[derive(Deserialize)]
struct AmqpConnection {
    name: String,
}

async fn cut_broker(stage: &Stage) -> Result<(), ChaosError> {
    let base = format!("{}/api/connections", stage.management_url);
    let listed = stage.http().get(&base).send().await.map_err(ChaosError::Management)?;
    let connections: Vec<AmqpConnection> = listed.json().await.map_err(ChaosError::Management)?;
    for connection in connections {
        // A name is `127.0.0.1:43210 -> 127.0.0.1:5672`. One that has gone meanwhile answers 404, which is as good.
        let name = connection.name.replace(' ', "%20").replace('>', "%3E");
        stage.http().delete(format!("{base}/{name}")).send().await.map_err(ChaosError::Management)?;
    }
    Ok(())
}

/// Looks after the processes until `over`: one that ends by itself is a finding, and is started again so that the run
/// can go on.
pub async fn watch(stage: Arc<Stage>, history: SharedHistory, clock: Clock, over: CancellationToken) {
    while over.run_until_cancelled(sleep(WATCH_PAUSE)).await.is_some() {
        for running in stage.processes() {
            // Whoever holds the lock is just stopping or starting it.
            let Ok(mut service) = running.service.try_lock() else { continue };
            let Some(status) = service.exit_status() else { continue };
            let end = tail(&running.log, 15);
            let text = format!("{} ended by itself: {status}; the end of its log:\n{end}", running.process);
            clock.say(&text);
            history.lock().found(text);
            service.kill();
            if let Err(error) = service.launch() {
                history.lock().found(format!("{} cannot be started again: {error}", running.process));
            }
        }
    }
}
