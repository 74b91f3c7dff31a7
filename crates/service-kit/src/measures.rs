//! What a service measures: each metric with its help text, and each counter at zero from the start.
//!
//! An alarm on the first increase of a counter needs the value before it, so no counter appears with its first event. Names
//! follow Prometheus: the unit at the end, `_total` behind a counter.

/// A metric of `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// What it says, in one line.
    pub help: &'static str,
    /// Of which kind it is.
    pub kind: Kind,
}

/// A label and its value.
pub type Label = (&'static str, &'static str);

/// The kind of a metric.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// It only grows. With the sets of labels that are there from the start: none of them where they are known later.
    Counter(&'static [&'static [Label]]),
    /// It goes up and down. Its first value is set where it is measured.
    Gauge,
    /// How many values fell below each of some bounds.
    Histogram,
}

impl Measure {
    /// A counter without labels.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Counter(&[&[]]) }
    }

    /// A counter with labels; those given are there from the start.
    pub const fn counters(name: &'static str, help: &'static str, labels: &'static [&'static [Label]]) -> Self {
        Self { name, help, kind: Kind::Counter(labels) }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Gauge }
    }

    /// A histogram.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, help, kind: Kind::Histogram }
    }
}

/// Describes the metrics, and begins their counters.
pub fn announce(measures: &[Measure]) {
    for Measure { name, help, kind } in measures {
        match kind {
            Kind::Counter(sets) => {
                metrics::describe_counter!(*name, *help);
                for labels in *sets {
                    metrics::counter!(*name, *labels).increment(0);
                }
            }
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
}

/// What every service measures.
pub const OF_EVERY_SERVICE: &[Measure] = &[
    Measure::histogram(
        "http_request_duration_seconds",
        "Time from the head of a request to its answer, by method, route and status",
    ),
    Measure::counter("http_connections_refused_total", "Connections that were closed because too many were open"),
    Measure::counters(
        "http_connections_cut_total",
        "Connections that were cut, by reason: the client was too slow, or others needed the place",
        &[&[("reason", "full")], &[("reason", "slow")]],
    ),
    Measure::gauge("batch_queue_length", "Entries that wait for a batch, by queue"),
    Measure::histogram("batch_wait_seconds", "Time that the first entry of a batch waited, by queue"),
    Measure::histogram("batch_size", "Entries of a batch, by queue"),
    Measure::counter("batches_retried_total", "Batches that were done again because the database had a conflict"),
    Measure::counter("outbox_published_total", "Events that RabbitMQ confirmed"),
    Measure::counter("outbox_messages_published_total", "Messages that RabbitMQ confirmed; one has many events"),
    Measure::gauge("outbox_waiting", "Messages in the outbox that are not published, at most 10,000 are counted"),
    Measure::gauge("outbox_oldest_seconds", "Age of the oldest message in the outbox, 0 where it is empty"),
    Measure::counters("events_consumed_total", "Events whose effect is committed, by queue", &[]),
    Measure::counters("dead_letters_total", "Events that were set aside, by queue", &[]),
    Measure::gauge("dead_letters_waiting", "Dead letters that are neither replayed nor discarded, by queue"),
    Measure::counters("auth_tokens_total", "Tokens that came with requests, by outcome", &[]),
    Measure::gauge("auth_open", "1 where callers are not asked who they are, by how far the service can be reached"),
    Measure::gauge(
        "auth_keys_fetched_timestamp_seconds",
        "When the keys of the issuer were last fetched, or the start before they were, in Unix time",
    ),
    Measure::gauge("build_info", "1, with the version of the service"),
    Measure::gauge("invariant_breaches", "Breaches of each invariant that the last check found, at most 100"),
    Measure::gauge("database_up", "1 where PostgreSQL answers within a second and takes writes"),
    Measure::counter("database_slow_statements_total", "Statements that took longer than a second, as in the log"),
    Measure::counters(
        "traces_dropped_total",
        "Spans that no collector has, by reason: too many were waiting, or the collector did not take them, all or some",
        &[&[("reason", "not_taken")], &[("reason", "queue_full")], &[("reason", "rejected")]],
    ),
    Measure::gauge("database_connections", "Connections to PostgreSQL, by state: used or idle"),
    Measure::histogram("database_acquire_seconds", "Time until a transaction had its connection and had begun"),
    Measure::counters(
        "database_reads_total",
        "Reads of lists, by who answered them: primary or replica",
        &[&[("pool", "primary")], &[("pool", "replica")]],
    ),
    Measure::counters(
        "database_replica_passed_over_total",
        "Reads of lists that the primary answered in the replica's place, by reason",
        &[
            &[("reason", "away")],
            &[("reason", "behind")],
            &[("reason", "conflict")],
            &[("reason", "failed")],
            &[("reason", "own_write")],
            &[("reason", "promoted")],
        ],
    ),
    Measure::gauge("database_replica_lag_seconds", "How old what the replica shows may be; only where there is one"),
    Measure::gauge(
        "database_replica_lag_bytes",
        "Bytes of the log that the replica has not replayed; only where there is one",
    ),
];
