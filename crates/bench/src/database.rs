//! One database of the private PostgreSQL, looked into with psql.

use crate::error::{BenchError, Result};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use testbed::postgres::Postgres;
use testbed::process;

/// A database; what it holds stays when this is dropped.
#[derive(Clone, Debug)]
pub struct Database {
    postgres: Arc<Postgres>,
    name: String,
}

impl Database {
    /// Makes a database that is a copy of the database `template`, on which nobody may be connected.
    pub async fn create(postgres: &Arc<Postgres>, name: &str, template: &str) -> Result<Self> {
        let database = Self { postgres: postgres.clone(), name: name.to_owned() };
        let server = Self { postgres: postgres.clone(), name: "postgres".to_owned() };
        server.run(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        Ok(database)
    }

    /// Deletes it, whoever is connected.
    pub async fn delete(self) -> Result<()> {
        let server = Self { postgres: self.postgres, name: "postgres".to_owned() };
        server.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.map(drop)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the services connect to.
    pub fn url(&self) -> String {
        self.postgres.url_of(&self.name)
    }

    /// Runs one statement, or several in one transaction; gives the rows, each with its columns parted by `|`.
    pub async fn run(&self, sql: &str) -> Result<String> {
        let mut psql = self.postgres.psql_on(&self.name);
        psql.args(["-Atc", sql]);
        output_of(psql).await
    }

    /// Runs a script in which psql puts these values for their names.
    pub async fn run_file(&self, script: &Path, variables: &[(&str, &str)]) -> Result<()> {
        let mut psql = self.postgres.psql_on(&self.name);
        psql.args(variables.iter().map(|(name, value)| format!("--set={name}={value}"))).arg("--file").arg(script);
        output_of(psql).await.map(drop)
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> Result<f64> {
        let printed = self.run(sql).await?;
        printed.parse().map_err(|_| BenchError::unreadable("psql", &printed))
    }

    /// The rows of numbers that a query gives.
    pub async fn numbers(&self, sql: &str) -> Result<Vec<Vec<f64>>> {
        let printed = self.run(sql).await?;
        let parse = |row: &str| row.split('|').map(str::parse).collect::<std::result::Result<_, _>>();
        let rows = printed.lines().map(parse).collect::<std::result::Result<_, _>>();
        rows.map_err(|_| BenchError::unreadable("psql", &printed))
    }

    /// Puts everything on disk, so that what was done before costs nothing later.
    pub async fn checkpoint(&self) -> Result<()> {
        self.run("CHECKPOINT").await.map(drop)
    }
}

/// Runs a command to its end and gives what it printed, trimmed.
pub async fn output_of(mut command: Command) -> Result<String> {
    let printed = tokio::task::spawn_blocking(move || process::output_of(&mut command)).await??;
    Ok(printed.trim().to_owned())
}
