//! What can go wrong with products, and the two places that say what becomes of it: for a client, and for a message.

use crate::stock;
use axum::http::StatusCode;
use service_kit::consumer::Decision;
use service_kit::fault::Fault;
use service_kit::module_error;
use service_kit::problem::Problem;
use shared_types::ProductId;

/// An error of the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of its own.
    #[error(transparent)]
    Fault(Fault),
    /// There is no such product, or it is deleted.
    #[error("product {0} does not exist")]
    UnknownProduct(ProductId),
    /// The SKU belongs to another product.
    #[error("another product has this sku, whatever its case")]
    DuplicateSku,
    /// Its stock cannot move like that.
    #[error(transparent)]
    Stock(stock::Error),
}

module_error!(Error, "products_sku_unique" => DuplicateSku, "products_sku_key_unique" => DuplicateSku);

impl Error {
    /// The error as the client sees it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Fault(fault) => fault.problem(),
            Self::UnknownProduct(id) => Problem::not_found(format!("product {id}")),
            Self::DuplicateSku => Problem::new(StatusCode::CONFLICT, "duplicate-sku", "Duplicate SKU", self),
            Self::Stock(error) => error.problem(),
        }
    }

    /// What becomes of a message whose handling failed with this.
    pub fn decision(&self) -> Decision {
        match self {
            Self::Fault(fault) => fault.decision(),
            Self::UnknownProduct(_) | Self::DuplicateSku => Decision::DeadLetter,
            Self::Stock(error) => error.decision(),
        }
    }
}

impl From<stock::Error> for Error {
    fn from(error: stock::Error) -> Self {
        match error {
            stock::Error::Fault(fault) => fault.into(),
            error => Self::Stock(error),
        }
    }
}
