//! `cargo xtask down` and `cargo xtask reset`: stopping whatever `up` and `ha` started, and deleting the data of `up`.

use crate::ha;
use crate::lock::Lock;
use crate::parts::{self, Part};
use crate::workspace::Workspace;
use testbed::error::Result;
use testbed::folders::delete_folder;
use testbed::postgres::Postgres;
use testbed::rabbitmq::RabbitMq;
use testbed::run_folder;
use testbed::step::Steps;

/// Stops everything that is recorded as started.
pub fn run(workspace: &Workspace) -> Result<u8> {
    let steps = Steps::begin("stopping what cargo xtask up and cargo xtask ha started");
    if run_folder::end_runs(&workspace.run_folder(), ha::NAME, &steps)? && !workspace.dev_folder().exists() {
        return Ok(0);
    }
    if workspace.dev_folder().exists() {
        let _lock = Lock::take(workspace, &steps)?;
        stop_all(workspace, &steps)?;
    } else {
        steps.say("nothing was running");
    }
    Ok(0)
}

/// Stops everything and deletes its data.
pub fn reset(workspace: &Workspace) -> Result<u8> {
    let steps = Steps::begin("stopping what cargo xtask up started, and deleting its data");
    let folder = workspace.dev_folder();
    if !folder.exists() {
        steps.say("nothing was running, and there is no data");
        return Ok(0);
    }
    let _lock = Lock::take(workspace, &steps)?;
    let containers = !parts::needs_in_containers(workspace)?.is_empty();
    stop_all(workspace, &steps)?;
    Postgres::delete(&parts::postgres_folder(workspace))?;
    RabbitMq::delete(&parts::rabbitmq_folder(workspace))?;
    delete_folder(&folder)?;
    steps.say(&format!("deleted {}", folder.display()));
    if containers {
        steps.say("the containers' data is still there; `docker compose down --volumes` deletes it");
    }
    Ok(0)
}

fn stop_all(workspace: &Workspace, steps: &Steps) -> Result<()> {
    let mut any = false;
    for part in Part::ALL {
        any |= part.stop(workspace, steps)?;
    }
    if !any {
        steps.say("nothing was running");
    }
    Ok(())
}
