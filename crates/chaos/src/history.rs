//! What the clients asked for and were told: the only thing the checks believe.

use crate::figures::Figures;
use shared_types::OrderStatus;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use verify::records::Order;

/// A product's number and how many pieces of it, each product once.
pub type Lines = Vec<(i64, i64)>;

/// A request to place an order.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Unique for each request that is not a repeat: the customer's name, and the key of a keyed one.
    pub token: String,
    pub lines: Lines,
    /// The account of the customer that asked with a token.
    pub owner: Option<String>,
    /// What came of it.
    pub outcome: Placed,
}

/// What a client knows of an order it asked for.
#[derive(Clone, Debug)]
pub enum Placed {
    /// It was answered with 201 or 202.
    Answered(Box<Answered>),
    /// It was refused, and no attempt before that was left without an answer.
    Refused,
    /// Nothing is known: there may be an order or not.
    Unknown,
}

/// An order as it was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub order: Order,
}

/// What a client knows of a change it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeSeen {
    /// It was answered with 200.
    Done,
    Refused,
    Unknown,
}

/// A request to change an order's status.
#[derive(Clone, Debug)]
pub struct StatusChange {
    pub order: i64,
    /// The status asked for.
    pub to: OrderStatus,
    /// What came of it.
    pub outcome: ChangeSeen,
}

/// A keyed request to change a product's stock.
#[derive(Clone, Debug)]
pub struct StockChange {
    pub product: i64,
    /// Pieces, positive in, negative out.
    pub delta: i64,
    pub key: String,
    /// What came of it.
    pub outcome: ChangeSeen,
}

/// A keyed request to note money that was taken or given back.
#[derive(Clone, Debug)]
pub struct MoneySeen {
    /// The payment.
    pub payment: i64,
    /// The reason that was given, which no other request has.
    pub token: String,
    /// What came of it.
    pub outcome: ChangeSeen,
}

/// A product and its stock before the load began.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub id: i64,
    pub stock: i64,
}

/// Everything that was asked and answered in a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub products: Vec<Product>,
    /// Every order asked for.
    pub placements: Vec<Placement>,
    /// Every change of a status.
    pub status_changes: Vec<StatusChange>,
    /// Every change of stock.
    pub stock_changes: Vec<StockChange>,
    /// Every request to move money.
    pub money: Vec<MoneySeen>,
    /// Orders of which somebody tried to pay a provider with what is good.
    pub tried: BTreeSet<i64>,
    /// Payments of which somebody was told that the money is there.
    pub told_paid: BTreeSet<i64>,
    /// Orders that were to be paid before anything else.
    pub unpaid: BTreeSet<i64>,
    /// Rotations of the signing keys by when they were over; none for one that is under way.
    pub rotations: Vec<Option<Instant>>,
    /// Access tokens of sessions that are over.
    pub ended: Vec<String>,
    /// What was wrong at once: an answer that is not allowed, a process that ended by itself.
    pub findings: Vec<String>,
    pub figures: Figures,
}

impl History {
    /// Notes something that was wrong at once.
    pub fn found(&mut self, text: String) {
        self.findings.push(text);
    }

    /// Notes a fault that struck.
    pub fn fault(&mut self, kind: &'static str) {
        *self.figures.faults.entry(kind).or_default() += 1;
    }

    /// Notes an order before it is asked for; gives its place.
    pub fn place(&mut self, token: &str, lines: &Lines, owner: Option<&str>) -> usize {
        let (token, lines, owner) = (token.to_owned(), lines.clone(), owner.map(str::to_owned));
        self.placements.push(Placement { token, lines, owner, outcome: Placed::Unknown });
        self.placements.len() - 1
    }

    /// Notes a change of stock before it is asked for; gives its place.
    pub fn change_stock(&mut self, product: i64, delta: i64, key: &str) -> usize {
        let (key, outcome) = (key.to_owned(), ChangeSeen::Unknown);
        self.stock_changes.push(StockChange { product, delta, key, outcome });
        self.stock_changes.len() - 1
    }
}

/// A history that all clients write to.
#[derive(Clone, Debug, Default)]
pub struct SharedHistory(Arc<Mutex<History>>);

impl SharedHistory {
    /// The history, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
