//! Decides which reservations can be held, one after the other, against stock that is locked.

use super::requests::Wanted;
use crate::products::Product;
use crate::stock::{NewMovement, Shortage};
use shared_types::events::StockLow;
use shared_types::reservations::{Reservation, ReservationLine, ReservationStatus, ReservedLine};
use shared_types::{ProductId, Reference};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The products of a batch, locked, by their number. What is deleted or was never there is missing.
pub type LockedProducts = BTreeMap<ProductId, Product>;

/// Why stock is not held.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Products that do not exist or cannot be ordered.
    #[error("{}", join(.0))]
    UnknownProducts(Vec<UnknownProduct>),
    /// Every line that asks for more than there is.
    #[error("{}", join(.0))]
    Insufficient(Vec<Shortage>),
    /// The reference belongs to a reservation of other items.
    #[error("reservation {0} exists already, with other items")]
    Mismatch(Reference),
}

/// A product that cannot be ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownProduct {
    /// Never there, or deleted.
    Missing(ProductId),
    Inactive(ProductId),
}

impl fmt::Display for UnknownProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "product {id} does not exist"),
            Self::Inactive(id) => write!(f, "product {id} is not active"),
        }
    }
}

fn join(parts: &[impl fmt::Display]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a request comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HoldDecision {
    /// The stock is set aside now.
    Held,
    /// It was set aside already, for the same request.
    Repeated,
    /// Nothing is set aside.
    Refused(Refusal),
}

/// A reservation to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The reference of the order.
    pub id: Reference,
    /// The lines, by product.
    pub lines: Vec<ReservedLine>,
    /// Whether there is a released reservation of this reference, which is held anew.
    pub anew: bool,
    /// Whether its pieces count as reserved until they are shipped.
    pub reserved: bool,
}

/// A low stock, and the trace context of the request that made it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LowStock {
    pub event: StockLow,
    pub traceparent: Option<String>,
}

/// All that a batch comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HoldPlan {
    /// One for each request, in order.
    pub decisions: Vec<HoldDecision>,
    pub holds: Vec<Hold>,
    /// Movements to write, in order.
    pub movements: Vec<NewMovement>,
    /// Products whose stock has become low.
    pub low: Vec<LowStock>,
}

impl HoldPlan {
    /// Whether a request gets nothing.
    pub fn refuses(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision, HoldDecision::Refused(_)))
    }
}

struct Known {
    status: ReservationStatus,
    lines: Vec<ReservationLine>,
}

/// Decides on the requests in order, taking from their stock as it goes. `existing` are the reservations that carry
/// one of the references already.
pub fn decide(products: &mut LockedProducts, existing: &[Reservation], wanted: &[Wanted]) -> HoldPlan {
    let mut plan = HoldPlan::default();
    let mut known: HashMap<Reference, Known> = existing.iter().map(|r| (r.id, Known::of(r))).collect();
    for request in wanted {
        let decision = match known.get(&request.id()) {
            Some(known) if known.lines != request.lines() => HoldDecision::Refused(Refusal::Mismatch(request.id())),
            Some(known) if known.status != ReservationStatus::Released => HoldDecision::Repeated,
            // A placement that failed released its stock; its repeat is held anew under the same reference.
            released => {
                let anew = released.is_some();
                match check(products, request.lines()) {
                    Err(refusal) => HoldDecision::Refused(refusal),
                    Ok(()) => {
                        let lines = take(products, request, &mut plan);
                        plan.holds.push(Hold { id: request.id(), lines, anew, reserved: !request.is_direct() });
                        let now = Known { status: ReservationStatus::Held, lines: request.lines().to_vec() };
                        known.insert(request.id(), now);
                        HoldDecision::Held
                    }
                }
            }
        };
        plan.decisions.push(decision);
    }
    plan
}

impl Known {
    fn of(reservation: &Reservation) -> Self {
        let line = |line: &ReservedLine| ReservationLine { product_id: line.product_id, quantity: line.quantity };
        Self { status: reservation.status, lines: reservation.items.iter().map(line).collect() }
    }
}

/// Whether all lines can be had; names all products, or all lines, at fault.
fn check(products: &LockedProducts, lines: &[ReservationLine]) -> Result<(), Refusal> {
    let unknown: Vec<_> = lines
        .iter()
        .filter_map(|line| match products.get(&line.product_id) {
            None => Some(UnknownProduct::Missing(line.product_id)),
            Some(product) if !product.active => Some(UnknownProduct::Inactive(line.product_id)),
            Some(_) => None,
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownProducts(unknown));
    }
    let short: Vec<_> =
        lines.iter().filter_map(|line| products.get(&line.product_id)?.shortage(line.quantity)).collect();
    if short.is_empty() { Ok(()) } else { Err(Refusal::Insufficient(short)) }
}

/// Takes lines that [`check`] has found to be there.
fn take(products: &mut LockedProducts, request: &Wanted, plan: &mut HoldPlan) -> Vec<ReservedLine> {
    let mut reserved = Vec::with_capacity(request.lines().len());
    for line in request.lines() {
        let Some(product) = products.get_mut(&line.product_id) else { continue };
        let was_low = product.is_low();
        product.stock_quantity -= line.quantity;
        let balance = product.stock_quantity;
        let counted = !request.is_direct();
        plan.movements.push(NewMovement::of_reservation(request.id(), product.id, -line.quantity, balance, counted));
        if product.is_low() && !was_low {
            plan.low.push(LowStock { event: StockLow(product.stock_level()), traceparent: request.traceparent() });
        }
        reserved.push(ReservedLine {
            product_id: product.id,
            sku: product.sku.clone(),
            name: product.name.clone(),
            quantity: line.quantity,
            unit_price: product.price,
        });
    }
    reserved
}

#[cfg(test)]
mod tests;
