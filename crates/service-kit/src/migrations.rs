//! The migrations at start, and whether this build may work on the schema that is there.

use crate::db::{Database, is_timed_out, is_unavailable};
use crate::schema::Schema;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::time::Duration;

/// Why a build cannot work on a schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// What this build needs may be gone.
    #[error(
        "the database schema {schema} is too new for this build: it takes builds that know migration {floor}, and this one \
         knows none after {newest}; start a newer build, see docs/upgrades.md"
    )]
    TooNew {
        /// The schema.
        schema: &'static str,
        /// The oldest migration that a build must know.
        floor: i64,
        /// The newest migration that this build knows.
        newest: i64,
    },
    /// A migration failed, or is not the one that was applied.
    #[error("database schema {schema}: {cause}")]
    Migrate {
        /// The schema.
        schema: &'static str,
        /// Why.
        cause: MigrateError,
    },
}

/// What the database says of a schema.
struct Applied {
    /// The oldest migration that a build must know.
    floor: i64,
    /// The newest migration, whoever applied it.
    newest: i64,
}

impl Database {
    /// Brings the schema up to date, waiting for PostgreSQL where it is not there yet.
    ///
    /// Instances that start at once take turns. A schema with newer migrations is worked on as it is, unless its floor is
    /// above all that this build knows. Fails then, on a migration that was changed after it was applied, and on a broken one.
    pub async fn migrate(&self, mut migrator: Migrator, schema: Schema) -> Result<(), SchemaError> {
        migrator.create_schema(schema.0);
        migrator.dangerous_set_table_name(format!("{}._sqlx_migrations", schema.0));
        // Those of newer builds; `schema_floor` says whether they matter.
        migrator.set_ignore_missing(true);
        let mut said = false;
        let applied = loop {
            match self.run_migrations(&migrator, schema).await {
                Ok(applied) => break applied,
                Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
                    if is_unavailable(&error) || is_timed_out(&error) =>
                {
                    if !said {
                        tracing::warn!(%error, "PostgreSQL is not reachable, trying again every second");
                        said = true;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(cause) => return Err(SchemaError::Migrate { schema: schema.0, cause }),
            }
        };
        let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
        let Applied { floor, newest: there } = applied;
        if floor > newest {
            return Err(SchemaError::TooNew { schema: schema.0, floor, newest });
        }
        if there > newest {
            tracing::info!(
                schema = schema.0,
                there,
                newest,
                "database schema is newer than this build, which may use it"
            );
        } else {
            tracing::info!(schema = schema.0, "database schema is up to date");
        }
        Ok(())
    }

    /// On a connection of its own and without the time limit of a request: building an index may take its time, and
    /// so may waiting for another instance that does.
    async fn run_migrations(&self, migrator: &Migrator, schema: Schema) -> Result<Applied, MigrateError> {
        let options = PgConnectOptions::clone(&self.pool().connect_options()).options([("statement_timeout", "0")]);
        let patience = self.pool().options().get_acquire_timeout();
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(patience).connect_with(options).await?;
        migrator.run(&pool).await?;
        let asked =
            schema.sql("SELECT floor, (SELECT max(version) FROM {schema}._sqlx_migrations) FROM {schema}.schema_floor");
        let (floor, newest): (i64, i64) = sqlx::query_as(asked).fetch_one(&pool).await?;
        pool.close().await;
        Ok(Applied { floor, newest })
    }
}
