//! What can go wrong with stock, and the two places that say what becomes of it: for a client, and for a message.

use super::domain::levels::{MAX_STOCK, Shortage};
use axum::http::StatusCode;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use shared_types::reservations::ShortStock;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// More is taken out than there is.
    #[error("{0}")]
    InsufficientStock(Shortage),
    /// More is put in than can be kept.
    #[error("a product has at most {MAX_STOCK} pieces in stock")]
    StockLimit,
    /// Fewer pieces were counted than are promised.
    #[error("{counted} counted, but {reserved} are reserved for orders that were not shipped")]
    CountedTooFew {
        /// Pieces on the shelf.
        counted: i32,
        /// Pieces of orders that were not shipped.
        reserved: i64,
    },
}

module_error!(Error);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::InsufficientStock(shortage) => insufficient_stock(self, [shortage]),
            Self::StockLimit => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "stock-limit", "Stock limit", self),
            Self::CountedTooFew { .. } => {
                Problem::new(StatusCode::CONFLICT, "counted-too-few", "Counted too few", self)
            }
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::InsufficientStock(_) | Self::StockLimit | Self::CountedTooFew { .. } => Decision::DeadLetter,
        }
    }
}

/// The problem that names every product of which there is too little.
pub fn insufficient_stock<'a>(
    detail: impl std::fmt::Display,
    short: impl IntoIterator<Item = &'a Shortage>,
) -> Problem {
    let items = short.into_iter().map(|shortage| shortage.line).collect();
    Problem::new(StatusCode::CONFLICT, "insufficient-stock", "Insufficient stock", detail).with(&ShortStock { items })
}
