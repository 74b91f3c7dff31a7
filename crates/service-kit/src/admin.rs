//! Calls for operators, the same in every service: dead letters, and checking what must always hold.

mod dead_letters;

use self::dead_letters as letters;
use crate::access::{Access, Guarded};
use crate::broker::Broker;
use crate::consumer::DryRuns;
use crate::db::Database;
use crate::documented::Unavailable;
use crate::health::Dependency;
use crate::invariants::{self, Asker, Invariant, Invariants};
use crate::prepared::Prepared;
use crate::problem::Problem;
use crate::schema::Schema;
use axum::Json;
use axum::extract::{FromRef, State};
use utoipa_axum::routes;

/// What the calls need of a service.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The service's database.
    pub database: Database,
    /// Where its tables are.
    pub schema: Schema,
    /// The queues that it consumes.
    pub consumers: Vec<&'static str>,
    /// Its consumers, once they run, to try messages out on.
    pub dry_runs: DryRuns,
    /// What must always hold in its tables, module by module.
    pub invariants: Vec<&'static [Invariant]>,
    /// The broker, without which nothing can be announced.
    pub broker: Broker,
    /// Whether the process takes requests.
    pub prepared: Prepared,
}

impl Admin {
    /// What every service needs, for `/health/ready`: PostgreSQL with a schema that is up to date, and RabbitMQ.
    pub async fn dependencies(&self) -> [(&'static str, Dependency); 2] {
        let database = self.database.ping().await.and_then(|()| self.prepared.check());
        [("postgresql", Dependency::essential(database)), ("rabbitmq", Dependency::optional(self.broker.status()))]
    }
}

/// The routes, for any state that has an [`Admin`].
pub fn routes<S>() -> Guarded<S>
where
    Admin: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    let read = || Access::OPERATORS.with_scope("admin:read");
    Guarded::new()
        .add(read(), routes!(letters::list_dead_letters))
        .add(read(), routes!(letters::get_dead_letter))
        .add(Access::OPERATORS, routes!(letters::edit_dead_letter))
        .add(Access::OPERATORS, routes!(letters::replay_dead_letter))
        .add(Access::OPERATORS, routes!(letters::discard_dead_letter))
        .add(Access::OPERATORS, routes!(letters::replay_dead_letters))
        .add(read(), routes!(check_invariants))
}

/// Whether everything holds that must always hold
///
/// Looks at every row of the service, in one snapshot: on large tables it takes its time, and one check is made at a
/// time. What concerns both services, that orders and reservations agree, `cargo xtask verify` compares.
#[utoipa::path(get, path = "/api/admin/invariants", tag = "admin", responses(
    (status = 200, description = "Whether all hold, or where they do not", body = Invariants),
    Unavailable
))]
pub async fn check_invariants(State(admin): State<Admin>) -> Result<Json<Invariants>, Problem> {
    let broker_is_up = admin.broker.status().is_ok();
    let asker = Asker::Operator { broker_is_up };
    let outcome = invariants::check(&admin.database, admin.schema, &admin.invariants, asker).await?;
    outcome.map(Json).ok_or_else(|| Problem::unavailable("another check is under way"))
}
