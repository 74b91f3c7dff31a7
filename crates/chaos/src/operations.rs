//! What the clients do next, chosen from the seed alone: the answers they get change nothing in the choice.

use fastrand::Rng;
use shared_types::OrderStatus;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Products of the shop; the first [`SCARCE`] of them are scarce and wanted by everybody.
pub const PRODUCTS: usize = 20;

/// Products that are scarce.
pub const SCARCE: usize = 2;

/// Products by their place in the catalogue, and pieces.
pub type Wanted = Vec<(usize, i64)>;

/// What a client does. `pick` chooses among the orders it knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Places an order without a key: once, whatever comes of it.
    Place(Wanted),
    /// Places an order that expects a total which no order has: it is refused.
    PlaceAtWrongTotal(Wanted),
    /// Releases the stock of the order it placed last by hand.
    Release,
    /// Places an order with a key, and goes on until the answer is definite.
    PlaceKeyed {
        lines: Wanted,
        /// To be placed later, answered with 202.
        later: bool,
        /// How the key is put to use.
        manner: Manner,
        /// Asks once more afterwards.
        repeat: bool,
        /// Asks for something else with the same key afterwards.
        other_body: bool,
    },
    /// Cancels one of its latest orders.
    Cancel { pick: usize },
    /// Ships or delivers one of its latest orders.
    Move { pick: usize, to: OrderStatus },
    /// Adds stock, or takes some out.
    ChangeStock {
        /// The product by its place in the catalogue.
        product: usize,
        /// Pieces, positive in, negative out.
        delta: i64,
        /// How the key is put to use.
        manner: Manner,
        /// Asks once more afterwards.
        repeat: bool,
    },
    /// Has one of its latest orders paid at the door.
    Pay { pick: usize },
    /// Pays one of its latest orders that are to be paid first, or tries to.
    Charge { pick: usize, way: Way },
    /// Gives money back for one that was paid.
    Refund { pick: usize },
    /// Reads one of its orders.
    Read { pick: usize },
    /// Looks at something else.
    Browse { pick: usize },
    /// Sends what must be refused.
    BadInput {
        /// Which of the bad inputs.
        pick: usize,
    },
}

/// How a customer pays a provider, or does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// With what is good.
    Pays,
    /// With what is declined.
    Declined,
    /// With what is good, from two places at once.
    Twice,
    /// The bank asks, and the customer says yes or no, or nothing.
    Asked(Option<bool>),
    /// On a page, which may have been open for long, with what is good or not.
    OnPage(bool),
    /// The shop calls the payment off.
    CalledOff,
}

/// What a customer with an account does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CustomerOperation {
    /// Places an order with a key, and goes on until the answer is definite.
    Place(Wanted, Manner),
    /// Reads one of its orders.
    Read { pick: usize },
    /// Lists its orders.
    List,
    /// Cancels one of its latest orders.
    Cancel { pick: usize },
    /// Pays one of its latest orders that are to be paid first, or tries to.
    Charge { pick: usize, way: Way },
    /// Reads, or cancels, somebody else's order, which is none for it.
    Foreign { pick: usize },
    /// Gets the next tokens.
    Refresh,
    /// Ends its session, and begins another one.
    LogOut,
    /// Looks at its account.
    Look,
}

/// How a client that has a key makes its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Again and again until the answer is definite.
    Patiently,
    /// Hangs up so soon the first time that it often does not hear the answer.
    HangingUp(Duration),
    /// From two places at once.
    AsTwins,
}

/// An operation, the process that is asked first, and the time before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub operation: Operation,
    /// The process asked first.
    pub process: usize,
    /// Time to think before.
    pub think: Duration,
}

/// The stream of choices of one client.
pub fn stream(seed: u64, client: usize) -> Rng {
    // Far apart and odd, so that the streams of neighbouring seeds and clients do not meet.
    Rng::with_seed(seed ^ (client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The next step.
pub fn next(rng: &mut Rng) -> Step {
    let think = Duration::from_millis(rng.u64(10..90));
    let process = rng.usize(0..crate::schedule::PAIRS);
    let operation = match rng.u32(0..100) {
        0..16 => Operation::Place(lines(rng)),
        16..18 => Operation::PlaceAtWrongTotal(lines(rng)),
        18..37 => keyed(rng, false),
        37..44 => keyed(rng, true),
        44..50 => Operation::Cancel { pick: rng.usize(..) },
        50..53 => Operation::Release,
        53..63 => charge(rng),
        63..70 => Operation::Move {
            pick: rng.usize(..),
            to: if rng.u32(0..3) > 0 { OrderStatus::Shipped } else { OrderStatus::Delivered },
        },
        70..75 => change_stock(rng, SCARCE, 1..=8),
        75..79 => change_stock(rng, PRODUCTS, -3..=-1),
        79..82 => Operation::Pay { pick: rng.usize(..) },
        82..87 => Operation::Refund { pick: rng.usize(..) },
        87..92 => Operation::Read { pick: rng.usize(..) },
        92..97 => Operation::Browse { pick: rng.usize(..) },
        _ => Operation::BadInput { pick: rng.usize(..) },
    };
    Step { operation, process, think }
}

/// The next thing that a customer does, and the time before it.
pub fn next_of_customer(rng: &mut Rng) -> (CustomerOperation, Duration) {
    let think = Duration::from_millis(rng.u64(10..90));
    let operation = match rng.u32(0..100) {
        0..30 => {
            let lines = lines(rng);
            let hasty = rng.u32(0..5) == 0;
            let manner =
                if hasty { Manner::HangingUp(Duration::from_millis(rng.u64(1..60))) } else { Manner::Patiently };
            CustomerOperation::Place(lines, manner)
        }
        30..36 => CustomerOperation::Charge { pick: rng.usize(..), way: way(rng) },
        36..52 => CustomerOperation::Read { pick: rng.usize(..) },
        52..60 => CustomerOperation::List,
        60..68 => CustomerOperation::Cancel { pick: rng.usize(..) },
        68..80 => CustomerOperation::Foreign { pick: rng.usize(..) },
        80..88 => CustomerOperation::Refresh,
        88..92 => CustomerOperation::LogOut,
        _ => CustomerOperation::Look,
    };
    (operation, think)
}

fn keyed(rng: &mut Rng, later: bool) -> Operation {
    let (lines, manner) = (lines(rng), manner(rng));
    Operation::PlaceKeyed { lines, later, manner, repeat: rng.u32(0..2) == 0, other_body: rng.u32(0..6) == 0 }
}

fn charge(rng: &mut Rng) -> Operation {
    Operation::Charge { pick: rng.usize(..), way: way(rng) }
}

fn way(rng: &mut Rng) -> Way {
    match rng.u32(0..20) {
        0..7 => Way::Pays,
        7..9 => Way::Declined,
        9..11 => Way::Twice,
        11..13 => Way::Asked(Some(true)),
        13 => Way::Asked(Some(false)),
        14 => Way::Asked(None),
        15..18 => Way::OnPage(true),
        18 => Way::OnPage(false),
        _ => Way::CalledOff,
    }
}

fn change_stock(rng: &mut Rng, among: usize, delta: RangeInclusive<i64>) -> Operation {
    let (product, delta) = (rng.usize(0..among), rng.i64(delta));
    Operation::ChangeStock { product, delta, manner: manner(rng), repeat: rng.u32(0..2) == 0 }
}

fn manner(rng: &mut Rng) -> Manner {
    match rng.u32(0..10) {
        0..2 => Manner::HangingUp(Duration::from_millis(rng.u64(1..60))),
        2..4 => Manner::AsTwins,
        _ => Manner::Patiently,
    }
}

/// One to three different products, each third of them scarce.
fn lines(rng: &mut Rng) -> Wanted {
    let mut lines: Wanted = Vec::new();
    for _ in 0..rng.usize(1..=3) {
        let product = if rng.u32(0..3) == 0 { rng.usize(0..SCARCE) } else { rng.usize(SCARCE..PRODUCTS) };
        let quantity = rng.i64(1..=3);
        if lines.iter().all(|(known, _)| *known != product) {
            lines.push((product, quantity));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Step, next, stream};

    fn steps(seed: u64, client: usize) -> Vec<Step> {
        let mut rng = stream(seed, client);
        (0..200).map(|_| next(&mut rng)).collect()
    }

    #[test]
    fn the_choices_follow_from_the_seed_and_differ_between_clients() {
        assert_eq!(steps(7, 0), steps(7, 0));
        assert_ne!(steps(7, 0), steps(7, 1));
        assert_ne!(steps(7, 0), steps(8, 0));
    }
}
