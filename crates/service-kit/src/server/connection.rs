//! One connection: what it waits for, since when, and until when it may.
//!
//! The halves of the server that read, serve and write note here what they wait for, without a lock or a timer of their
//! own. One timer a connection looks at it.

use crate::server::config::Patience;
use axum::http::HeaderValue;
use futures_util::task::AtomicWaker;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// No byte of the next request is there.
const IDLE: u8 = 0;
/// A head has begun, or the connection is new.
const HEAD: u8 = 1;
/// A request is being served.
const SERVING: u8 = 2;

/// A whole body, and a whole answer, may take this many times as long as one step of it.
const STEPS: u32 = 10;

/// What a half-sent request still gets once the service ends.
const GRACE: Duration = Duration::from_millis(250);

/// What a client that reads slowly still gets once the service ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a body is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// The client sent nothing for too long.
    TooSlow,
    /// The service ends.
    Ending,
}

/// What the timer has to do.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Look again then.
    At(Instant),
    /// The client has been waited for in vain.
    Close,
    /// So it has with a body, which can still be answered.
    CutBody(Cut),
}

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Who called.
    pub(crate) peer: SocketAddr,
    /// The address that was called, where the service listens on all.
    pub(crate) local: Option<IpAddr>,
    /// The host of a request that was served, and whether it is a name of this machine: what is asked for next names the same
    /// one.
    host: OnceLock<(HeaderValue, bool)>,
    began: Instant,
    phase: AtomicU8,
    /// Milliseconds after `began`: since when it is in its phase.
    since: AtomicU64,
    /// Since when a body is waited for, plus one; 0 for not at all.
    body: AtomicU64,
    /// The same for the client to read its answer.
    writing: AtomicU64,
    /// When it last went on reading after such a wait.
    wrote: AtomicU64,
    cut: AtomicU8,
    ending: AtomicU64,
    evicted: AtomicBool,
    /// Wakes the task that drives the connection.
    pub(crate) waker: AtomicWaker,
}

impl Connection {
    /// A new one.
    pub(crate) fn new(peer: SocketAddr, local: Option<IpAddr>) -> Self {
        Self {
            peer,
            local,
            host: OnceLock::new(),
            began: Instant::now(),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            body: AtomicU64::new(0),
            writing: AtomicU64::new(0),
            wrote: AtomicU64::new(0),
            cut: AtomicU8::new(0),
            ending: AtomicU64::new(0),
            evicted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Where a request that named this host was served here: whether that is a name of this machine.
    pub(crate) fn knows(&self, host: &HeaderValue) -> Option<bool> {
        self.host.get().filter(|(known, _)| known == host).map(|(_, is_own)| *is_own)
    }

    /// A request that names this host is served.
    pub(crate) fn learns(&self, host: &HeaderValue, is_own: bool) {
        let _ = self.host.set((host.clone(), is_own));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes came; the first ones after an answer begin a head.
    pub(crate) fn bytes_came(&self) {
        if self.phase.load(Relaxed) == IDLE {
            self.since.store(self.now(), Relaxed);
            self.phase.store(HEAD, Relaxed);
        }
    }

    /// The head is complete.
    pub(crate) fn serves(&self) {
        self.phase.store(SERVING, Relaxed);
    }

    /// The answer is handed over, and is written or waits to be.
    pub(crate) fn answered(&self) {
        self.since.store(self.now(), Relaxed);
        self.body.store(0, Relaxed);
        self.phase.store(IDLE, Relaxed);
    }

    /// Somebody wants more of the body than is there.
    pub(crate) fn waits_for_body(&self) {
        if self.body.load(Relaxed) == 0 {
            self.body.store(self.now() + 1, Relaxed);
        }
    }

    /// More of the body came, or its end.
    pub(crate) fn body_came(&self) {
        self.body.store(0, Relaxed);
    }

    /// The client does not read.
    pub(crate) fn waits_to_write(&self) {
        if self.writing.load(Relaxed) == 0 {
            self.writing.store(self.now() + 1, Relaxed);
        }
    }

    /// The client reads.
    pub(crate) fn wrote(&self) {
        if self.writing.load(Relaxed) != 0 {
            self.writing.store(0, Relaxed);
            self.wrote.store(self.now(), Relaxed);
        }
    }

    /// Why the body was given up, if it was.
    pub(crate) fn cut(&self) -> Option<Cut> {
        match self.cut.load(Relaxed) {
            0 => None,
            1 => Some(Cut::TooSlow),
            _ => Some(Cut::Ending),
        }
    }

    /// Gives the body up.
    pub(crate) fn cut_body(&self, why: Cut) {
        self.body.store(0, Relaxed);
        self.cut.store(if why == Cut::TooSlow { 1 } else { 2 }, Relaxed);
    }

    /// The service ends: nothing more is waited for.
    pub(crate) fn end(&self) {
        self.ending.store(self.now() + 1, Relaxed);
        self.waker.wake();
    }

    /// Whether the service ends.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Relaxed) != 0
    }

    /// Its place is wanted for another one.
    pub(crate) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.waker.wake();
    }

    /// Whether its place is wanted.
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Relaxed)
    }

    /// Whether it has to go now: its place is wanted, and it waits for its client.
    pub(crate) fn gives_way(&self) -> bool {
        self.is_evicted() && self.waiting_since().is_some()
    }

    /// Since when it waits for its client; none while it is being served.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        let waits = [self.writing.load(Relaxed), self.body.load(Relaxed)].into_iter().find(|since| *since != 0);
        let since = match (waits, self.phase.load(Relaxed)) {
            (Some(since), _) => since - 1,
            (None, SERVING) => return None,
            (None, HEAD) => self.since.load(Relaxed),
            (None, _) => self.idle_since(),
        };
        Some(self.began + Duration::from_millis(since))
    }

    /// Since when, in milliseconds, nothing has to be written any more.
    fn idle_since(&self) -> u64 {
        self.since.load(Relaxed).max(self.wrote.load(Relaxed))
    }

    /// What has to be done at this time.
    pub(crate) fn due(&self, patience: &Patience, now: Instant) -> Due {
        let at = |milliseconds: u64, wait: Duration| self.began + Duration::from_millis(milliseconds) + wait;
        let since = self.since.load(Relaxed);
        let (body, writing) = (self.body.load(Relaxed), self.writing.load(Relaxed));
        let ending = self.ending.load(Relaxed);
        // Each wait is over at the end of its own patience, or a moment after the service began to end.
        let over = |began: u64, step: Duration, whole: Option<Duration>, last: Duration| {
            let over = whole.map_or(at(began, step), |whole| at(began, step).min(at(since, whole)));
            if ending == 0 { over } else { over.min(at(began.max(ending - 1), last)) }
        };
        let phase = self.phase.load(Relaxed);
        let over = if writing != 0 {
            over(writing - 1, patience.write, Some(patience.write * STEPS), LAST_WORDS)
        } else if body != 0 {
            over(body - 1, patience.body, Some(patience.body * STEPS), GRACE)
        } else if phase == SERVING {
            return Due::At(now + if ending == 0 { patience.shortest() } else { GRACE });
        } else if phase == HEAD {
            over(since, patience.head, None, GRACE)
        } else {
            over(self.idle_since(), patience.idle, None, GRACE)
        };
        let next = if ending == 0 { patience.shortest() } else { GRACE };
        match over {
            over if over > now => Due::At(over.min(now + next)),
            _ if writing == 0 && body != 0 => Due::CutBody(if ending == 0 { Cut::TooSlow } else { Cut::Ending }),
            _ => Due::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Cut, Due};
    use crate::server::config::Patience;
    use axum::http::HeaderValue;
    use std::time::{Duration, Instant};

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(2),
        body: Duration::from_secs(3),
        write: Duration::from_secs(4),
        idle: Duration::from_secs(5),
    };

    fn connection() -> Connection {
        Connection::new(([127, 0, 0, 1], 1).into(), None)
    }

    /// After how many whole seconds something other than waiting is due, up to a minute.
    fn over(connection: &Connection) -> Option<(u64, Due)> {
        let due = |seconds| connection.due(&PATIENCE, Instant::now() + Duration::from_secs(seconds));
        (0..60).map(|seconds| (seconds, due(seconds))).find(|(_, due)| !matches!(due, Due::At(_)))
    }

    #[test]
    fn the_first_host_that_was_served_is_known() {
        let (connection, [one, other]) = (connection(), ["localhost", "evil.example"].map(HeaderValue::from_static));
        assert_eq!(connection.knows(&one), None);
        connection.learns(&one, true);
        connection.learns(&other, false);
        assert_eq!((connection.knows(&one), connection.knows(&other)), (Some(true), None));
    }

    #[test]
    fn a_head_has_its_time_from_the_first_byte() {
        let connection = connection();
        assert_eq!(over(&connection), Some((2, Due::Close)));
        connection.serves();
        assert_eq!(over(&connection), None, "nobody waits for the client");
        connection.answered();
        assert_eq!(over(&connection), Some((5, Due::Close)));
        connection.bytes_came();
        assert_eq!(over(&connection), Some((2, Due::Close)));
    }

    #[test]
    fn a_body_that_stands_still_is_cut() {
        let connection = connection();
        connection.serves();
        connection.waits_for_body();
        assert_eq!(over(&connection), Some((3, Due::CutBody(Cut::TooSlow))));
        connection.body_came();
        assert_eq!(over(&connection), None);
    }

    #[test]
    fn a_body_that_drips_is_cut_in_the_end() {
        let mut connection = connection();
        connection.serves();
        connection.began -= Duration::from_secs(29);
        connection.waits_for_body();
        assert_eq!(over(&connection), Some((1, Due::CutBody(Cut::TooSlow))));
    }

    #[test]
    fn a_client_that_does_not_read_is_cut() {
        let connection = connection();
        connection.serves();
        connection.answered();
        connection.waits_to_write();
        assert_eq!(over(&connection), Some((4, Due::Close)));
        connection.wrote();
        assert_eq!(over(&connection), Some((5, Due::Close)), "it is idle from then on");
    }

    #[test]
    fn a_client_that_reads_in_drops_is_cut_in_the_end() {
        let mut connection = connection();
        connection.serves();
        connection.answered();
        connection.began -= Duration::from_secs(39);
        for _ in 0..3 {
            connection.waits_to_write();
            assert_eq!(over(&connection), Some((1, Due::Close)));
            connection.wrote();
        }
        assert_eq!(over(&connection), Some((5, Due::Close)), "idle from its last drop on");
    }

    #[test]
    fn the_end_of_the_service_waits_for_no_half_request() {
        let connection = connection();
        connection.end();
        assert_eq!(over(&connection), Some((1, Due::Close)));
        connection.serves();
        assert_eq!(over(&connection), None, "what is being served is finished");
        connection.waits_for_body();
        assert_eq!(over(&connection), Some((1, Due::CutBody(Cut::Ending))));
    }

    #[test]
    fn the_timer_looks_again_before_a_state_of_its_future_is_over() {
        let connection = connection();
        let now = Instant::now();
        for change in [Connection::serves as fn(&Connection), Connection::answered, Connection::waits_to_write] {
            change(&connection);
            let Due::At(again) = connection.due(&PATIENCE, now) else { panic!("it is over") };
            assert!(again <= now + PATIENCE.shortest());
        }
    }

    #[test]
    fn only_who_waits_for_its_client_gives_way() {
        let connection = connection();
        connection.serves();
        connection.evict();
        assert!(!connection.gives_way());
        connection.answered();
        assert!(connection.gives_way());
    }
}
