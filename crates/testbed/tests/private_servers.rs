//! Private servers survive being killed: same address, same data.

use std::path::PathBuf;
use std::process::Command;

use testbed::postgres::Postgres;
use testbed::rabbitmq::{self, RabbitMq};
use testbed::{Durability, ports};

/// A folder for one test; `cargo xtask test` ends what runs in it however the test ends.
fn folder(name: &str) -> PathBuf {
    let parent = std::env::var_os("TEST_RUN_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    parent.join(format!("testbed-{name}-{}", std::process::id()))
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|cause| panic!("cannot run psql: {cause}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn postgres_keeps_what_was_committed_before_a_kill() {
    let dir = folder("postgres");
    let server = Postgres::start(&dir, ports::free_port().unwrap(), Durability::Durable).unwrap().stop_on_drop();
    said(server.psql().args(["-c", "CREATE TABLE kept AS SELECT 7 AS number"]));
    assert_eq!(said(server.psql().args(["-Atc", "SHOW fsync"])), "on");
    let before = server.process().unwrap().unwrap();

    server.kill().unwrap();
    assert_eq!(server.process().unwrap(), None);
    assert!(Postgres::attach(&dir).unwrap().is_none());

    server.restart().unwrap();
    assert_ne!(server.process().unwrap().unwrap(), before);
    assert_eq!(said(server.psql().args(["-Atc", "SELECT number FROM kept"])), "7");

    let attached = Postgres::attach(&dir).unwrap().unwrap();
    assert_eq!(attached.url(), server.url());
    attached.stop().unwrap();
    assert_eq!(server.process().unwrap(), None);
    Postgres::delete(&dir).unwrap();
}

#[test]
fn rabbitmq_comes_back_on_the_same_ports_after_a_kill() {
    let dir = folder("rabbitmq");
    let server = RabbitMq::start(&dir, ports::free_port().unwrap(), Durability::ThrowAway).unwrap().stop_on_drop();
    let before = server.process().unwrap().unwrap();
    let management = server.management_url();

    server.kill().unwrap();
    assert!(!rabbitmq::speaks_amqp(server.port()));
    assert!(RabbitMq::attach(&dir).unwrap().is_none());

    server.restart().unwrap();
    assert!(rabbitmq::speaks_amqp(server.port()));
    assert_ne!(server.process().unwrap().unwrap(), before);
    assert_eq!(RabbitMq::attach(&dir).unwrap().unwrap().management_url(), management);

    server.stop().unwrap();
    assert_eq!(server.process().unwrap(), None);
    RabbitMq::delete(&dir).unwrap();
}
