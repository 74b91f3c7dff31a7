//! Counts and gaps of a run: figures for the table, no verdicts.

use crate::clients::Side;
use crate::routes::Called;
use reqwest::Method;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a request was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// An order without a key.
    Place,
    /// An order with a key.
    PlaceKeyed,
    /// An order with a key, to be placed later.
    PlaceAsync,
    /// The same again with the same key.
    Repeat,
    /// Something else with the same key.
    OtherBody,
    /// An order at a total that none has.
    WrongTotal,
    Cancel,
    Move,
    /// A payment at the door, opened and collected.
    Pay,
    /// A card that is tried.
    Charge,
    /// What a page needs on which a customer pays.
    Session,
    /// Back from that page.
    Confirm,
    /// A payment that is called off.
    CallOff,
    /// Money given back by hand.
    Refund,
    /// Stock released by hand.
    Release,
    Restock,
    Reduce,
    /// Looking at an order.
    Read,
    /// Looking at anything else.
    Browse,
    /// Input that must be refused.
    BadInput,
    /// Somebody else's order.
    Foreign,
    Register,
    LogIn,
    /// A refresh token for the next two.
    Refresh,
    LogOut,
    /// Looking at one's account, and at the keys.
    Account,
    /// An order that shows whether all works again.
    Probe,
}

/// How soon a token that was taken back was refused by every process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What took it back.
    pub by: &'static str,
    /// None where it was accepted to the end.
    pub after: Option<Duration>,
}

/// Orders of a customer while account-service was away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Away {
    pub asked: usize,
    pub placed: usize,
}

impl Kind {
    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::PlaceKeyed => "place with key",
            Self::PlaceAsync => "place async",
            Self::Repeat => "repeat with key",
            Self::OtherBody => "key, other body",
            Self::WrongTotal => "wrong total",
            Self::Cancel => "cancel",
            Self::Move => "ship, deliver",
            Self::Pay => "pay at the door",
            Self::Charge => "pay by card",
            Self::Session => "open a page to pay",
            Self::Confirm => "back from the page",
            Self::CallOff => "call a payment off",
            Self::Refund => "give money back",
            Self::Release => "release by hand",
            Self::Restock => "restock",
            Self::Reduce => "reduce",
            Self::Read => "read an order",
            Self::Browse => "look at the rest",
            Self::BadInput => "bad input",
            Self::Foreign => "another's order",
            Self::Register => "register",
            Self::LogIn => "log in",
            Self::Refresh => "refresh",
            Self::LogOut => "log out",
            Self::Account => "look at account",
            Self::Probe => "works again?",
        }
    }

    fn stream(self) -> Option<Stream> {
        match self {
            Self::Place | Self::PlaceKeyed | Self::PlaceAsync => Some(Stream::Placements),
            Self::Read => Some(Stream::Reads),
            _ => None,
        }
    }
}

/// Requests whose gaps are measured together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stream {
    Placements,
    Reads,
}

/// When a stream last had a success, and its longest time without one.
#[derive(Clone, Copy, Debug)]
struct Gap {
    last: Instant,
    longest: Duration,
}

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub faults: BTreeMap<&'static str, u32>,
    /// Requests by kind and answer: a status, or why there was none.
    pub requests: BTreeMap<(Kind, String), u32>,
    /// Which routes were called.
    pub routes: Called,
    /// What was seen of tokens that were taken back while nothing was broken.
    pub refusals: Vec<Refusal>,
    /// How soon every process accepted tokens of a new key after the one before was revoked.
    pub new_keys: Vec<Duration>,
    /// What was seen of placing without account-service.
    pub away: Option<Away>,
    /// Whether the build that was upgraded from was started again afterwards, in words.
    pub way_back: Option<String>,
    /// The longest time after each blow to a fleet without an order that was placed and confirmed somewhere, by kind.
    pub recoveries: BTreeMap<&'static str, Vec<Duration>>,
    definite: BTreeMap<Kind, u32>,
    gaps: BTreeMap<Stream, Gap>,
}

impl Figures {
    /// Begins to measure gaps.
    pub fn begin(&mut self) {
        let gap = Gap { last: Instant::now(), longest: Duration::ZERO };
        self.gaps = BTreeMap::from([(Stream::Placements, gap), (Stream::Reads, gap)]);
    }

    /// Notes which route a request is for.
    pub fn called(&mut self, side: Side, method: &Method, path: &str) {
        let path = path.split('?').next().unwrap_or_default();
        self.routes.insert((side, format!("{method} {path}")));
    }

    /// Notes one request and its answer; `definite` when it settled the matter.
    pub fn tried(&mut self, kind: Kind, answer: String, definite: bool, success: bool) {
        *self.requests.entry((kind, answer)).or_default() += 1;
        *self.definite.entry(kind).or_default() += u32::from(definite);
        if success && let Some(stream) = kind.stream() {
            self.close_gap(stream);
        }
    }

    fn close_gap(&mut self, stream: Stream) {
        let now = Instant::now();
        if let Some(gap) = self.gaps.get_mut(&stream) {
            gap.longest = gap.longest.max(now - gap.last);
            gap.last = now;
        }
    }

    /// Requests made.
    pub fn total(&self) -> u32 {
        self.requests.values().sum()
    }

    /// Share of the requests of a stream that got a definite answer.
    pub fn availability(&self, stream: Stream) -> f64 {
        let of_stream = |kind: &Kind| kind.stream() == Some(stream);
        let all: u32 = self.requests.iter().filter(|((kind, _), _)| of_stream(kind)).map(|(_, count)| count).sum();
        let definite: u32 = self.definite.iter().filter(|(kind, _)| of_stream(kind)).map(|(_, count)| count).sum();
        if all == 0 { 0.0 } else { f64::from(definite) / f64::from(all) }
    }

    /// The longest time without a success of a stream.
    pub fn longest_gap(&self, stream: Stream) -> Duration {
        self.gaps.get(&stream).map_or(Duration::ZERO, |gap| gap.longest)
    }
}
