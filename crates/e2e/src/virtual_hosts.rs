//! Virtual hosts of tests that have ended, for those that come later: to make and delete the queues of one takes
//! RabbitMQ longer than most tests take.

use crate::client::Client;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use shared_types::topology::QUEUES;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use testbed::rabbitmq::virtual_host;

/// How long a virtual host is left alone after its test: by then the broker has taken back what the services had not
/// acknowledged.
///
/// It may also have to be deleted. RabbitMQ 3.10 starts a process beside each queue that dead-letters. Two such processes
/// whose queues are deleted while they start take the supervisor of all with them, and from then on no test can declare
/// its queues.
const REST: Duration = Duration::from_secs(5);

static ENDED: Mutex<Vec<Ended>> = Mutex::new(Vec::new());

struct Ended {
    since: Instant,
    management_url: String,
    name: String,
}

/// Gives one back, with whatever its test left in it.
pub(crate) fn give_back(management: &Client, name: &str) {
    let ended = Ended { since: Instant::now(), management_url: management.base().to_owned(), name: name.to_owned() };
    ENDED.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
}

/// One that is as good as new, if there is any.
pub(crate) async fn take(amqp_url: &str, management: &Client) -> Option<String> {
    while let Some(name) = rested(management) {
        if emptied(&virtual_host::url(amqp_url, &name), management, &name).await.is_ok_and(|empty| empty) {
            return Some(name);
        }
        virtual_host::delete(management.base(), &name).unwrap_or_else(|error| panic!("{error}"));
    }
    None
}

fn rested(management: &Client) -> Option<String> {
    let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut of_server = ended.extract_if(.., |it| it.management_url == management.base() && it.since.elapsed() > REST);
    of_server.next().map(|it| it.name)
}

/// Empties what the services consume and deletes the queues of tests. Gives whether it is empty now: what waits for its retry
/// would come back at a bad moment.
async fn emptied(url: &str, management: &Client, name: &str) -> lapin::Result<bool> {
    let queues = management.get(&format!("/api/queues/{name}?columns=name")).await.is(200).array();
    let names = queues.iter().filter_map(|queue| queue["name"].as_str());
    let (mut of_services, of_tests): (Vec<_>, Vec<_>) = names.partition(|name| name.contains("-service."));
    for queue in of_tests {
        management.delete(&format!("/api/queues/{name}/{queue}")).await.is(204);
    }
    let is_consumed = |name: &str| QUEUES.iter().any(|queue| queue.name == name);
    // Last, as what waits for its retry may come back meanwhile.
    of_services.sort_by_key(|name| is_consumed(name));
    let properties = ConnectionProperties::default().with_connection_name("virtual host of a test that ended".into());
    let connection = Connection::connect(url, properties).await?;
    let channel = connection.create_channel().await?;
    for queue in of_services {
        // The management API knows how it was seconds ago, this how it is.
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let state = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
        match (state.message_count(), state.consumer_count()) {
            (0, 0) => {}
            (_, 0) if is_consumed(queue) => {
                channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
            }
            _ => return Ok(false),
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(true)
}
