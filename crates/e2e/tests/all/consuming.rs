//! Promise P6, one consumer at a time: what its handler stumbles over, what somebody has locked, and a database that has gone
//! without a word.

use clap::Parser;
use e2e::broker::{TestBroker, event};
use e2e::database::TestDatabase;
use e2e::environment::Environment;
use e2e::frozen_wire::Wire;
use e2e::poll;
use serde_json::{Value, json};
use service_kit::broker::Broker;
use service_kit::config::{BrokerConfig, DatabaseConfig};
use service_kit::consumer::{Consumer, Decision, Handler, HandlerError};
use service_kit::db::Database;
use service_kit::fault::Fault;
use service_kit::schema::Schema;
use service_kit::shutdown::Shutdown;
use service_kit::work_queue::{Table, WorkQueue};
use shared_types::events::RawEvent;
use shared_types::topology::{ORDER_RESERVATION_EVENTS, QUEUES};
use sqlx::{FromRow, PgConnection};
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Longer than the time after which a silent database is given up.
const LONG: Duration = Duration::from_secs(90);

const QUEUE: &str = ORDER_RESERVATION_EVENTS.name;

/// The settings of a part of a service that a test runs by itself.
#[derive(Parser, Debug)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) database: DatabaseConfig,
    #[command(flatten)]
    pub(crate) broker: BrokerConfig,
}

#[derive(Debug)]
struct Failed(Fault);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<Fault>> From<E> for Failed
where
    E: std::error::Error,
{
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl HandlerError for Failed {
    fn decision(&self) -> Decision {
        self.0.decision()
    }

    fn is_unavailable(&self) -> bool {
        self.0.is_unavailable()
    }
}

/// Writes down the subjects of its events, each of which is a row that it locks.
#[derive(Clone, Default)]
struct Notes {
    tried: Arc<Mutex<Vec<String>>>,
    /// Stands still at the first event.
    wire: Option<Arc<Wire>>,
}

impl Notes {
    fn tries_of(&self, subject: &str) -> usize {
        self.tried.lock().unwrap().iter().filter(|tried| *tried == subject).count()
    }
}

impl Handler for Notes {
    type Error = Failed;
    type Effect = ();

    async fn handle(&self, conn: &mut PgConnection, events: &[RawEvent]) -> Result<(), Failed> {
        // A second is long for a test.
        sqlx::query("SET LOCAL statement_timeout = '200ms'").execute(&mut *conn).await?;
        for event in events {
            self.tried.lock().unwrap().push(event.subject.clone());
            assert_ne!(event.subject, "unlucky");
            if let Some(wire) = self.wire.as_ref().filter(|_| self.tried.lock().unwrap().len() == 1) {
                wire.freeze();
            }
            sqlx::query("UPDATE notes SET written = written + 1 WHERE subject = $1")
                .bind(&event.subject)
                .execute(&mut *conn)
                .await?;
        }
        Ok(())
    }
}

/// A consumer at work, with a database and a broker of its own.
struct Stand {
    database: TestDatabase,
    broker: TestBroker,
    notes: Notes,
    shutdown: Shutdown,
}

impl Stand {
    /// With a row for each subject.
    async fn open(subjects: &[&str], delays: &str) -> Self {
        let database = TestDatabase::migrated(Environment::get()).await;
        let url = database.url().to_owned();
        Self::with(database, &url, Notes::default(), subjects, delays).await
    }

    async fn with(database: TestDatabase, url: &str, notes: Notes, subjects: &[&str], delays: &str) -> Self {
        let environment = Environment::get();
        let broker = TestBroker::take(&environment.amqp_url, &environment.management_url).await;
        database
            .execute("CREATE TABLE public.notes (subject TEXT PRIMARY KEY, written INTEGER NOT NULL DEFAULT 0)")
            .await;
        for subject in subjects {
            database.execute(format!("INSERT INTO notes VALUES ('{subject}')")).await;
        }
        let flags = ["x", "--database-url", url, "--database-max-connections", "1", "--amqp-url", broker.url()];
        let flags = Flags::parse_from([&flags[..], &["--retry-delays-ms", delays]].concat());
        let shutdown = Shutdown::default();
        let consumer = Consumer { queue: ORDER_RESERVATION_EVENTS, schema: Schema("orders"), handler: notes.clone() };
        let pool = Database::connect_lazy(&flags.database).unwrap();
        shutdown.spawn(Arc::new(consumer).run(pool, Broker::new(&flags.broker).unwrap(), shutdown.token()));
        // The last one that is declared: a queue that is only being made refuses messages.
        let last = QUEUES.last().unwrap().retry_queue(1);
        poll::eventually("the queues", async || if broker.has(&last).await { Ok(()) } else { Err(String::new()) })
            .await;
        Self { database, broker, notes, shutdown }
    }

    /// Sends events about the subjects as one message.
    async fn send(&self, subjects: &[&str]) {
        let events: Vec<Value> = subjects.iter().map(|subject| event("test", subject, json!({}))).collect();
        self.broker.send(QUEUE, &Value::from(events).to_string()).await;
    }

    async fn written(&self) -> Vec<String> {
        self.database.texts("SELECT subject FROM notes WHERE written = 1 ORDER BY subject").await
    }

    async fn become_written(&self, limit: Duration, subjects: &[&str]) {
        poll::within(limit, "the events to have their effect", async || {
            poll::equal(self.written().await, subjects.iter().map(ToString::to_string).collect())
        })
        .await;
    }

    async fn letters(&self) -> Vec<String> {
        let letter = "COALESCE(subject, event_type) || ' ' || attempts || ' ' || reason";
        self.database.texts(format!("SELECT {letter} FROM orders.dead_letters ORDER BY id")).await
    }

    async fn one_letter(&self) -> String {
        poll::eventually("a letter", async || match self.letters().await.as_slice() {
            [letter] => Ok(letter.clone()),
            letters => Err(format!("{letters:?}")),
        })
        .await
    }

    async fn ends(self) {
        self.shutdown.finish(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn an_event_on_which_the_handler_panics_is_set_aside_alone() {
    let stand = Stand::open(&["a", "b", "c", "d"], "50").await;
    stand.send(&["a", "unlucky", "b"]).await;
    stand.send(&["c"]).await;
    stand.send(&["d"]).await;
    stand.become_written(poll::PATIENCE, &["a", "b", "c", "d"]).await;
    let letter = stand.one_letter().await;
    assert!(letter.starts_with("unlucky 2 panicked: "), "tried again, and then set aside: {letter}");
    stand.broker.drained(QUEUE).await;
    assert_eq!(stand.letters().await.len(), 1);
    stand.ends().await;
}

#[tokio::test]
async fn what_somebody_has_locked_waits_alone_and_for_as_long_as_it_takes() {
    let stand = Stand::open(&["a", "b", "c", "locked"], "50").await;
    let lock = stand.database.lock("SELECT FROM notes WHERE subject = 'locked' FOR UPDATE").await;
    stand.send(&["a", "locked", "b"]).await;
    stand.send(&["c"]).await;
    stand.become_written(poll::PATIENCE, &["a", "b", "c"]).await;
    // More often than it would be tried if that counted.
    poll::eventually("it to be tried again", async || match stand.notes.tries_of("locked") {
        8.. => Ok(()),
        tries => Err(format!("{tries} times")),
    })
    .await;
    assert!(stand.letters().await.is_empty());
    lock.rollback().await.unwrap();
    stand.become_written(poll::PATIENCE, &["a", "b", "c", "locked"]).await;
    assert!(stand.letters().await.is_empty());
    stand.ends().await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_kept_with_its_subject_is_kept_without() {
    let stand = Stand::open(&["a"], "50").await;
    stand.database.execute("ALTER TABLE orders.dead_letters ADD CHECK (subject <> 'unlucky')").await;
    stand.send(&["unlucky"]).await;
    let letter = stand.one_letter().await;
    assert!(letter.starts_with(&format!("{QUEUE} 2 panicked: ")), "{letter}");
    stand.send(&["a"]).await;
    stand.become_written(poll::PATIENCE, &["a"]).await;
    stand.ends().await;
}

#[tokio::test]
async fn a_consumer_goes_on_when_its_database_went_without_a_word() {
    let database = TestDatabase::migrated(Environment::get()).await;
    let (wire, url) = Wire::to_database(database.url()).await;
    let notes = Notes { wire: Some(Arc::new(wire)), ..Notes::default() };
    let stand = Stand::with(database, &url, notes, &["a", "b"], "50").await;
    stand.send(&["a"]).await;
    stand.send(&["b"]).await;
    // By the only connection that the pool may have.
    stand.become_written(LONG, &["a", "b"]).await;
    assert!(stand.letters().await.is_empty());
    stand.ends().await;
}

#[derive(FromRow)]
struct Nothing {}

#[tokio::test]
async fn a_work_queue_goes_on_when_its_database_went_without_a_word() {
    let database = TestDatabase::create(&Environment::get().database_url).await;
    database.execute("CREATE TABLE work (id BIGINT PRIMARY KEY, next_attempt_at TIMESTAMPTZ NOT NULL)").await;
    let (wire, url) = Wire::to_database(database.url()).await;
    let (work, more) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let flags = Flags::parse_from(["x", "--database-url", &url, "--database-max-connections", "1"]);
    let database_of_queue = Database::connect_lazy(&flags.database).unwrap();
    let pool = database_of_queue.pool().clone();
    let queue = WorkQueue {
        name: "test",
        table: Table { name: "work", key: "id", due: "TRUE", columns: "1 AS one", give_up_at: None },
        database: database_of_queue,
        batch: 1,
        at_once: 1,
        claimed: 1,
        patience: Duration::from_secs(1),
        lease: Duration::from_secs(600),
        poll: Duration::from_millis(200),
        woken: more,
        circuit: None,
    };
    let shutdown = Shutdown::default();
    let (done, token) = (work.clone(), shutdown.token());
    shutdown.spawn(async move {
        let attempt = |_| {
            done.notify_one();
            async { Ok::<_, sqlx::Error>(()) }
        };
        queue.run::<Nothing, _, _, _>(attempt, token).await;
    });
    let add = async |id: i64| database.execute(format!("INSERT INTO work VALUES ({id}, now())")).await;
    add(1).await;
    work.notified().await;
    // It is just being given back.
    wire.freeze();
    add(2).await;
    tokio::time::timeout(LONG, work.notified()).await.expect("it claims by another connection");
    poll::eventually("that one to be idle", async || poll::equal(pool.num_idle(), 1)).await;
    wire.freeze();
    add(3).await;
    tokio::time::timeout(LONG, work.notified()).await.expect("it claims by a third connection");
    shutdown.finish(Duration::from_secs(10)).await;
}
