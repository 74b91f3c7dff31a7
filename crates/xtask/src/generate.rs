//! `cargo xtask generate`: everything in the checkout that is made from something else in it.

mod access;
mod compared;
mod migrations;
mod openapi;
mod queries;
mod rules;
mod schema;

use std::time::Instant;

use crate::install::{self, Need};
use crate::workspace::Workspace;
use testbed::durability::Durability;
use testbed::error::Result;
use testbed::ports;
use testbed::postgres::Postgres;
use testbed::run_folder::RunFolder;
use testbed::step::Steps;

use compared::Comparison;
pub use compared::Mode;

/// Renews or compares everything; in [`Mode::Check`] the exit code says whether all of it was up to date.
pub fn run(workspace: &Workspace, mode: Mode) -> Result<u8> {
    let steps = Steps::begin(match mode {
        Mode::Write => "renewing .sqlx, database-schema.sql, docs/openapi, docs/access.md and rules.yaml",
        Mode::Check => {
            "checking that .sqlx, database-schema.sql, docs/openapi, docs/access.md and rules.yaml are up to date"
        }
    });
    let since = Instant::now();
    let mut outcome =
        report("database-schema.sql", schema::settle_schema(workspace, mode, &steps)?, mode, since, &steps);

    let since = Instant::now();
    let rules = rules::settle_manifest(workspace, mode, &steps)?;
    outcome = outcome.and(report("deploy/kubernetes/shared/rules.yaml", rules, mode, since, &steps));

    // Before the services are built: they are built from .sqlx.
    let since = Instant::now();
    let queries = with_database(workspace, mode, &steps)?;
    outcome = outcome.and(report(".sqlx", queries, mode, since, &steps));

    let since = Instant::now();
    match openapi::settle_documents(workspace, mode, &steps) {
        Ok(documents) => {
            outcome = outcome.and(report("docs/openapi", documents, mode, since, &steps));
            let since = Instant::now();
            let rules = access::settle_rules(workspace, mode, &steps)?;
            outcome = outcome.and(report("docs/access.md", rules, mode, since, &steps));
        }
        // Queries that are missing from .sqlx do not compile; the reason was said above.
        Err(error) if mode == Mode::Check && queries == Comparison::Changed && !error.is_interruption() => {
            steps.say(&format!("docs/openapi was not compared: {error}"));
        }
        Err(error) => return Err(error),
    }
    if mode == Mode::Check && outcome == Comparison::Changed {
        println!("run `cargo xtask generate` and commit");
        return Ok(1);
    }
    Ok(0)
}

fn with_database(workspace: &Workspace, mode: Mode, steps: &Steps) -> Result<Comparison> {
    let folder = RunFolder::make(&workspace.run_folder(), "generate", false, steps)?;
    install::what_is_missing(&[Need::Postgres], &folder.path().join("install.log"), steps)?;
    let since = Instant::now();
    let postgres = Postgres::start(&folder.path().join("postgres"), ports::free_port()?, Durability::ThrowAway)?;
    migrations::apply(workspace, &postgres)?;
    steps.done(&format!("PostgreSQL {} started and migrated", postgres.major_version()), since);
    queries::settle_queries(workspace, &postgres, folder.path(), mode, steps)
}

fn report(what: &str, outcome: Comparison, mode: Mode, since: Instant, steps: &Steps) -> Comparison {
    let word = match (outcome, mode) {
        (Comparison::UpToDate, _) => "is up to date",
        (Comparison::Changed, Mode::Write) => "has changed",
        (Comparison::Changed, Mode::Check) => "is not up to date",
    };
    steps.done(&format!("{what} {word}"), since);
    outcome
}
