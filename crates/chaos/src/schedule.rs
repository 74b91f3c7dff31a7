//! The faults of a run and when they strike, derived from the seed alone before anything begins.

use fastrand::Rng;
use std::fmt;
use std::time::Duration;

/// Processes of each service.
pub const PAIRS: usize = 2;

/// Nothing strikes before: the first orders are to be placed in peace.
const FIRST: Duration = Duration::from_secs(2);

/// One process of a service, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Process {
    Order(usize),
    Inventory(usize),
    Account(usize),
}

/// What goes wrong. Durations are until the restart, or until the process goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `kill -9` of a service process.
    Kill(Process, Duration),
    /// SIGTERM to a service process, which ends in order.
    Terminate(Process, Duration),
    /// SIGSTOP of a service process, past its deadlines, then SIGCONT.
    Pause(Process, Duration),
    /// Immediate shutdown of PostgreSQL.
    StopPostgres(Duration),
    /// `kill -9` of PostgreSQL's main process.
    KillPostgres(Duration),
    /// Every connection of the services to the database is terminated.
    CutDatabase,
    /// Orderly restart of RabbitMQ.
    RestartRabbitMq,
    /// `kill -9` of RabbitMQ.
    KillRabbitMq(Duration),
    /// Every connection to the broker is closed by it.
    CutBroker,
    /// The keys that sign tokens are revoked, and a new one is made.
    RotateKeys,
    /// The payment providers refuse connections.
    CloseProviders(Duration),
    /// The payment providers answer not as they should.
    TroubleProviders(Trouble, Duration),
}

/// How payment providers fail while they can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing is done, and nothing is said.
    SilenceBefore,
    /// What is asked is done, and nothing is said.
    SilenceAfter,
    /// 500, and nothing is done.
    Error,
    /// 500, although it is done.
    ErrorAfter,
    /// Half an answer.
    Cut,
    /// 429, and nothing is done.
    TooMany,
    /// Every call takes so long.
    Slow(Duration),
}

/// A fault and when it strikes, counted from the start of the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    pub at: Duration,
    pub fault: Fault,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(index) => write!(f, "order-{}", index + 1),
            Self::Inventory(index) => write!(f, "inventory-{}", index + 1),
            Self::Account(index) => write!(f, "account-{}", index + 1),
        }
    }
}

impl Fault {
    /// The kind as the table at the end counts it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(..) => "kill -9 of a service",
            Self::Terminate(..) => "SIGTERM to a service",
            Self::Pause(..) => "SIGSTOP of a service",
            Self::StopPostgres(_) => "immediate shutdown of PostgreSQL",
            Self::KillPostgres(_) => "kill -9 of PostgreSQL",
            Self::CutDatabase => "database connections terminated",
            Self::RestartRabbitMq => "restart of RabbitMQ",
            Self::KillRabbitMq(_) => "kill -9 of RabbitMQ",
            Self::CutBroker => "AMQP connections closed",
            Self::RotateKeys => "signing keys revoked",
            Self::CloseProviders(_) => "payment providers not reached",
            Self::TroubleProviders(trouble, _) => trouble.kind(),
        }
    }
}

impl Trouble {
    fn kind(self) -> &'static str {
        match self {
            Self::SilenceBefore | Self::SilenceAfter => "payment providers silent",
            Self::Error | Self::ErrorAfter | Self::Cut => "payment providers broken",
            Self::TooMany | Self::Slow(_) => "payment providers slow",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(process, pause) => write!(f, "kill -9 {process}, back after {:.1} s", pause.as_secs_f64()),
            Self::Terminate(process, pause) => write!(f, "SIGTERM {process}, back after {:.1} s", pause.as_secs_f64()),
            Self::Pause(process, pause) => write!(f, "SIGSTOP {process} for {:.1} s", pause.as_secs_f64()),
            Self::StopPostgres(pause) | Self::KillPostgres(pause) | Self::KillRabbitMq(pause) => {
                write!(f, "{}, back after {:.1} s", self.kind(), pause.as_secs_f64())
            }
            Self::CloseProviders(pause) => write!(f, "{}, for {:.1} s", self.kind(), pause.as_secs_f64()),
            Self::TroubleProviders(trouble, pause) => {
                write!(f, "{} ({trouble:?}) for {:.1} s", self.kind(), pause.as_secs_f64())
            }
            Self::CutDatabase | Self::RestartRabbitMq | Self::CutBroker | Self::RotateKeys => f.write_str(self.kind()),
        }
    }
}

/// The schedule of a run: something every 2 to 4 s, now and then two at once, each kind before any comes again.
pub fn derive(seed: u64, seconds: u32) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let end = Duration::from_secs(seconds.into());
    let mut cycle = every_kind(&mut rng);
    // Short runs hurry, so that every kind still has its turn.
    let turn = end.saturating_sub(FIRST).as_millis() / cycle.len() as u128;
    let longest = u64::try_from(turn).unwrap_or(u64::MAX).clamp(2000, 4000);
    let (mut planned, mut at) = (Vec::new(), FIRST);
    while at < end {
        let fault = match cycle.pop() {
            Some(fault) => fault,
            None => {
                cycle = every_kind(&mut rng);
                continue;
            }
        };
        planned.push(Planned { at, fault });
        let both_at_once = rng.u32(0..5) == 0;
        let gap = Duration::from_millis(rng.u64(2000..=longest));
        if !both_at_once {
            at += gap;
        }
    }
    planned
}

/// Each kind once, and `kill -9` once for each process, in a new order.
fn every_kind(rng: &mut Rng) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Terminate(any(rng), pause(rng)),
        Fault::Pause(Process::Order(rng.usize(0..PAIRS)), hang(rng)),
        Fault::Pause(Process::Inventory(rng.usize(0..PAIRS)), hang(rng)),
        Fault::Pause(Process::Account(rng.usize(0..PAIRS)), hang(rng)),
        Fault::StopPostgres(pause(rng)),
        Fault::KillPostgres(pause(rng)),
        Fault::CutDatabase,
        Fault::RestartRabbitMq,
        Fault::KillRabbitMq(pause(rng)),
        Fault::CutBroker,
        Fault::RotateKeys,
        Fault::CloseProviders(pause(rng)),
        Fault::TroubleProviders(one_of(rng, [Trouble::SilenceBefore, Trouble::SilenceAfter]), pause(rng)),
        Fault::TroubleProviders(one_of(rng, [Trouble::Error, Trouble::ErrorAfter, Trouble::Cut]), pause(rng)),
    ];
    let slow = Trouble::Slow(Duration::from_millis(rng.u64(200..1500)));
    faults.push(Fault::TroubleProviders(one_of(rng, [slow, Trouble::TooMany]), pause(rng)));
    for index in 0..PAIRS {
        faults.push(Fault::Kill(Process::Order(index), pause(rng)));
        faults.push(Fault::Kill(Process::Inventory(index), pause(rng)));
        faults.push(Fault::Kill(Process::Account(index), pause(rng)));
    }
    rng.shuffle(&mut faults);
    faults
}

fn any(rng: &mut Rng) -> Process {
    let index = rng.usize(0..PAIRS);
    match rng.u32(0..3) {
        0 => Process::Order(index),
        1 => Process::Inventory(index),
        _ => Process::Account(index),
    }
}

fn one_of<const N: usize>(rng: &mut Rng, troubles: [Trouble; N]) -> Trouble {
    troubles[rng.usize(0..N)]
}

fn pause(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(0..3000))
}

fn hang(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(2000..8000))
}

#[cfg(test)]
mod tests {
    use super::{Fault, Planned, derive};
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(derive(7, 60), derive(7, 60));
        assert_ne!(derive(7, 60), derive(8, 60));
    }

    #[test]
    fn every_kind_occurs_and_the_gaps_are_as_promised() {
        for seed in 0..500 {
            for seconds in [45, 60] {
                let planned = derive(seed, seconds);
                let kinds: BTreeSet<&str> = planned.iter().map(|it| it.fault.kind()).collect();
                assert_eq!(kinds.len(), 14, "seed {seed}: {planned:?}");
                let killed = planned.iter().filter(|it| matches!(it.fault, Fault::Kill(..)));
                let killed: BTreeSet<String> = killed.map(|it| it.fault.to_string()[8..19].to_owned()).collect();
                assert!(killed.len() >= 6, "seed {seed}: {killed:?}");
                assert!(planned.last().unwrap().at < Duration::from_secs(seconds.into()));
                let gap = |pair: &[Planned]| pair[1].at - pair[0].at;
                let allowed = |gap: Duration| gap.is_zero() || (2000..=4000).contains(&gap.as_millis());
                assert!(planned.windows(2).map(gap).all(allowed), "seed {seed}");
            }
        }
    }

    #[test]
    fn sometimes_two_strike_at_once() {
        let twice = (0..20).filter(|seed| derive(*seed, 60).windows(2).any(|pair| pair[0].at == pair[1].at)).count();
        assert!(twice > 10, "{twice}");
    }
}
