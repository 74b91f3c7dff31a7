//! Transactions on the connections of a pool.

use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::poll;
use service_kit::config::DatabaseConfig;
use service_kit::db::Database;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// A pool of one connection: whoever comes next gets the connection that was given back.
fn one_connection(url: &str) -> Database {
    let config = DatabaseConfig {
        database_url: Some(url.to_owned().into()),
        pghost: String::new(),
        pgport: 0,
        pgdatabase: String::new(),
        pguser: String::new(),
        pgpassword: None,
        database_max_connections: 1,
        database_acquire_timeout_ms: 30_000,
        database_replica_url: None,
        replica_max_lag_ms: 1000,
        read_after_wait_ms: 50,
    };
    Database::connect_lazy(&config).unwrap()
}

/// As when the client hangs up while its transaction is being begun.
#[tokio::test]
async fn a_transaction_nobody_waits_for_does_not_swallow_the_next_write() {
    let test = TestDatabase::create(&Environment::get().database_url).await;
    test.execute("CREATE TABLE written (id BIGINT PRIMARY KEY)").await;
    let database = one_connection(test.url());
    sqlx::query("SELECT 1").execute(database.pool()).await.unwrap();
    poll::eventually("the connection to be back in the pool", async || match database.pool().num_idle() {
        1 => Ok(()),
        idle => Err(format!("{idle} are")),
    })
    .await;
    {
        let mut begin = pin!(database.begin());
        let begun = poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready())).await;
        assert!(!begun, "PostgreSQL answered before it was asked");
    }

    sqlx::query("INSERT INTO written VALUES (1)").execute(database.pool()).await.unwrap();

    assert_eq!(test.number("SELECT COUNT(*) FROM written").await, 1, "what was answered is committed");
}
