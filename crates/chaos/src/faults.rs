//! Carrying out the schedule: one task for each fault, so that a slow restart holds nothing else up.

use crate::clock::Clock;
use crate::error::ChaosError;
use crate::history::SharedHistory;
use crate::schedule::{Fault, Planned, Process};
use crate::stage::Stage;
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use xtask::process::tail;

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
    let (began, mut faults) = (tokio::time::Instant::now(), JoinSet::new());
    for Planned { at, fault } in planned {
        tokio::time::sleep_until(began + at).await;
        clock.say(&format!("* {fault}"));
        history.lock().fault(fault.kind());
        let (stage, history) = (stage.clone(), history.clone());
        faults.spawn(async move { strike(&stage, fault, &history).await });
    }
    tokio::time::sleep_until(began + Duration::from_secs(seconds.into())).await;
    while let Some(fault) = faults.join_next().await {
        fault??;
    }
    Ok(())
}

async fn strike(stage: &Stage, fault: Fault, history: &SharedHistory) -> Result<(), ChaosError> {
    match fault {
        Fault::Kill(process, pause) => {
            let mut service = stage.process(process).service.lock().await;
            service.kill();
            sleep(pause).await;
            service.launch();
            Ok(())
        }
        Fault::Terminate(process, pause) => {
            terminate(stage, process, history).await;
            let mut service = stage.process(process).service.lock().await;
            sleep(pause).await;
            service.launch();
            Ok(())
        }
        Fault::Pause(process, pause) => {
            let service = stage.process(process).service.lock().await;
            service.pause();
            sleep(pause).await;
            service.resume();
            Ok(())
        }
        Fault::StopPostgres(pause) | Fault::KillPostgres(pause) => {
            let postgres = stage.postgres.lock().await;
            let server = postgres.clone();
            let immediate = matches!(fault, Fault::StopPostgres(_));
            let restart = move || {
                if immediate {
                    server.stop_immediately()?
                } else {
                    server.kill()?
                }
                std::thread::sleep(pause);
                server.restart()
            };
            Ok(tokio::task::spawn_blocking(restart).await??)
        }
        Fault::CutDatabase => {
            let statement = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            stage.sql(statement).await.map(drop)
        }
        Fault::RestartRabbitMq => {
            let rabbitmq = stage.rabbitmq.lock().await;
            let server = rabbitmq.clone();
            Ok(tokio::task::spawn_blocking(move || server.restart()).await??)
        }
        Fault::KillRabbitMq(pause) => {
            let rabbitmq = stage.rabbitmq.lock().await;
            let server = rabbitmq.clone();
            let restart = move || {
                server.kill()?;
                std::thread::sleep(pause);
                server.restart()
            };
            Ok(tokio::task::spawn_blocking(restart).await??)
        }
        Fault::CutBroker => cut_broker(stage).await,
    }
}

/// SIGTERM, and the end of the process, which must come in time and with success.
async fn terminate(stage: &Stage, process: Process, history: &SharedHistory) {
    let mut service = stage.process(process).service.lock().await;
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
    let _up = stage.rabbitmq.lock().await;
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
            service.launch();
        }
    }
}
