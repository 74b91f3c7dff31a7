//! An earlier build and this one take turns under load: this one joins and migrates, the earlier one ends, and comes back.

use crate::Settings;
use crate::clock::Clock;
use crate::error::ChaosError;
use crate::faults::terminate;
use crate::figures::Figures;
use crate::history::SharedHistory;
use crate::schedule::{PAIRS, Process};
use crate::stage::{Running, Stage};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testbed::process::tail;
use testbed::service_process::START_LIMIT;
use testbed::{Service, TestbedError, readiness};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(50);

/// The build that is upgraded from.
#[derive(Clone, Debug)]
pub struct Old {
    /// Its tag or commit.
    pub name: String,
    /// Its binary of order-service.
    pub order_service: PathBuf,
    /// Its binary of inventory-service.
    pub inventory_service: PathBuf,
    /// Its binary of account-service.
    pub account_service: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Build {
    Earlier,
    This,
}

use Build::{Earlier, This};

/// What the processes of one number are: order-service, inventory-service, account-service.
type Builds = [Build; 3];

/// What runs for a while, and what it is to be seen for.
type Phase = (&'static str, [Builds; PAIRS]);

/// An order-service of each build asks an inventory-service of the other one.
const BOTH: [Builds; PAIRS] = [[Earlier, This, Earlier], [This, Earlier, This]];

const UP: [Phase; 3] = [
    ("the earlier build alone", [[Earlier; 3]; PAIRS]),
    ("both builds: this one has migrated, the earlier one goes on", BOTH),
    ("this build alone", [[This; 3]; PAIRS]),
];

const BACK: [Phase; 3] = [
    ("both builds: the earlier one was started again", BOTH),
    ("the earlier build alone, on the newer schema", [[Earlier; 3]; PAIRS]),
    ("this build alone, for the second time", [[This; 3]; PAIRS]),
];

/// Whether the schema has a floor, by which later builds know that they may work on a newer one.
const HAS_FLOOR: &str = "SELECT to_regclass('orders.schema_floor') IS NOT NULL";

/// Takes the shop from the earlier build to this one, back, and to this one again, each for its share of the time. Where the
/// earlier build cannot be started again, notes what it says, and stays with this one.
pub async fn carry_out(
    stage: &Stage,
    settings: &Settings,
    from: &Old,
    history: &SharedHistory,
    clock: Clock,
) -> Result<(), ChaosError> {
    let has_floor = stage.sql(HAS_FLOOR).await? == "t";
    let share = Duration::from_secs(settings.seconds.into()) / (UP.len() + BACK.len()) as u32;
    let mut upgrade = Upgrade { stage, settings, from, history, there: UP[0].1 };
    for (what, builds) in UP {
        upgrade.exchange(builds).await?;
        clock.say(&format!("* {what}"));
        sleep(share).await;
    }
    if let Err(words) = upgrade.restart(Process::Order(0), Earlier).await? {
        upgrade.start_again(Process::Order(0)).await?;
        upgrade.no_way_back(has_floor, &words);
        return Ok(());
    }
    upgrade.there[0][0] = Earlier;
    for (what, builds) in BACK {
        upgrade.exchange(builds).await?;
        clock.say(&format!("* {what}"));
        sleep(share).await;
    }
    let name = &from.name;
    history.lock().figures.way_back = Some(format!("{name} works on the schema of this build, beside it and alone"));
    Ok(())
}

/// A shop whose processes are exchanged one after the other.
struct Upgrade<'a> {
    stage: &'a Stage,
    settings: &'a Settings,
    from: &'a Old,
    history: &'a SharedHistory,
    there: [Builds; PAIRS],
}

impl Upgrade<'_> {
    /// Exchanges what is not of these builds.
    async fn exchange(&mut self, wanted: [Builds; PAIRS]) -> Result<(), ChaosError> {
        for (number, builds) in wanted.into_iter().enumerate() {
            let [order, inventory, account] = builds;
            let [order_there, inventory_there, account_there] = self.there[number];
            let failed = |words| TestbedError::new(format!("a build does not start: {words}"));
            if account != account_there {
                self.restart(Process::Account(number), account).await?.map_err(failed)?;
            }
            if inventory != inventory_there {
                // Order-service asks the inventory-service of its number, so it goes first and comes back last.
                let running = self.stage.process(Process::Order(number));
                let mut service = running.service.lock().await;
                terminate(&mut service, running.process, self.history).await;
                self.restart(Process::Inventory(number), inventory).await?.map_err(failed)?;
                self.start(running, &mut service, order).await?.map_err(failed)?;
            } else if order != order_there {
                self.restart(Process::Order(number), order).await?.map_err(failed)?;
            }
            self.there[number] = builds;
        }
        Ok(())
    }

    /// Ends a process in order and starts it as this build. One that ends instead of serving has said why.
    async fn restart(&self, process: Process, build: Build) -> Result<Result<(), String>, ChaosError> {
        let running = self.stage.process(process);
        let mut service = running.service.lock().await;
        terminate(&mut service, process, self.history).await;
        self.start(running, &mut service, build).await
    }

    /// Starts a process that has ended, as this build.
    async fn start_again(&self, process: Process) -> Result<(), ChaosError> {
        let running = self.stage.process(process);
        let mut service = running.service.lock().await;
        Ok(self.start(running, &mut service, This).await?.map_err(TestbedError::new)?)
    }

    async fn start(
        &self,
        running: &Running,
        service: &mut Service,
        build: Build,
    ) -> Result<Result<(), String>, ChaosError> {
        service.exchange(self.binary(running.process, build));
        service.launch()?;
        let (began, port) = (Instant::now(), running.port);
        while tokio::task::spawn_blocking(move || readiness::check(port, &["UP"])).await?.is_err() {
            if service.exit_status().is_some() {
                service.kill();
                return Ok(Err(last_words(&running.log)));
            }
            if began.elapsed() > START_LIMIT {
                let text = format!("{} was started and is not UP", running.process);
                return Err(TestbedError::new(text).with_details(&tail(&running.log, 20)).into());
            }
            sleep(PAUSE).await;
        }
        self.history.lock().fault(match build {
            Earlier => "of the earlier build started",
            This => "of this build started",
        });
        Ok(Ok(()))
    }

    fn binary(&self, process: Process, build: Build) -> &Path {
        match (process, build) {
            (Process::Order(_), Earlier) => &self.from.order_service,
            (Process::Inventory(_), Earlier) => &self.from.inventory_service,
            (Process::Account(_), Earlier) => &self.from.account_service,
            (Process::Order(_), This) => &self.settings.order_service,
            (Process::Inventory(_), This) => &self.settings.inventory_service,
            (Process::Account(_), This) => &self.settings.account_service,
        }
    }

    /// A build that knows the floor must come back; one from before cannot.
    fn no_way_back(&self, has_floor: bool, words: &str) {
        let name = &self.from.name;
        let mut history = self.history.lock();
        let words = format!("{name} does not start on the schema of this build: {words}");
        if has_floor {
            history.found(format!("{words}\n    Its schema has a floor, so it should"));
        }
        let since = "There is a way back to releases from 0.9.0 on, whose schema has a floor";
        history.figures.way_back = Some(format!("none. {words}\n  {since}"));
    }
}

/// What a process said when it ended.
fn last_words(log: &Path) -> String {
    let end = tail(log, 20);
    let words = end.lines().rfind(|line| line.starts_with("error: "));
    words.map_or_else(|| end.clone(), str::to_owned)
}

/// Requests that had no answer, or were refused for a while. A connection that is refused is no loss: the next process is asked.
pub fn failed(figures: &Figures) -> Vec<String> {
    let is_failure = |answer: &str| matches!(answer, "broken off" | "timeout" | "503");
    let failures = figures.requests.iter().filter(|((_, answer), _)| is_failure(answer));
    failures.map(|((kind, answer), count)| format!("{count} × {}: {answer}", kind.name())).collect()
}

#[cfg(test)]
mod tests {
    use super::failed;
    use crate::figures::{Figures, Kind};

    #[test]
    fn a_request_without_an_answer_is_found() {
        let mut figures = Figures::default();
        for answer in ["201", "409", "refused", "hung up"] {
            figures.tried(Kind::Place, answer.to_owned(), true, false);
        }
        assert_eq!(failed(&figures), [""; 0]);
        for answer in ["broken off", "503", "503"] {
            figures.tried(Kind::Place, answer.to_owned(), false, false);
        }
        assert_eq!(failed(&figures), ["2 × place: 503", "1 × place: broken off"]);
    }
}
