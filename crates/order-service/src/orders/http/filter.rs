//! EDGE: the filters of the list of orders, as they come in a query.

use crate::orders::store::Filter;
use crate::payments::OrderPaymentStatus;
use serde::Deserialize;
use service_kit::contact::EmailAddress;
use service_kit::extract::PlusKept;
use service_kit::validation::FieldErrors;
use shared_types::{OrderId, OrderStatus, Reference};
use utoipa::IntoParams;

/// Filters of the list of orders.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListFilter {
    /// Only the order with this number, in any case.
    #[param(example = "ORD-00000001", max_length = 22, pattern = "^[Oo][Rr][Dd]-0{0,7}[1-9][0-9]{0,9}$")]
    order_number: Option<String>,
    /// Only orders of this status.
    #[param(value_type = Option<OrderStatus>)]
    status: Option<String>,
    /// Only orders whose payment comes to this.
    #[param(value_type = Option<OrderPaymentStatus>)]
    payment_status: Option<String>,
    /// Only orders of this customer, whatever the case of the address and the spelling of its domain.
    #[param(value_type = Option<String>, max_length = 254, format = "email", example = "ada@example.com")]
    customer_email: Option<PlusKept>,
    /// Only orders placed at this time (RFC 3339) or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<PlusKept>,
    /// Only orders placed before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<PlusKept>,
    /// Only the order with this reference.
    #[param(value_type = Option<String>, format = Uuid)]
    reference: Option<String>,
}

impl ListFilter {
    /// Checks every parameter and names all that are at fault.
    pub fn parse(self) -> Result<Filter, FieldErrors> {
        let mut errors = FieldErrors::default();
        let status = self.status.and_then(|text| match text.parse() {
            Ok(status) => Some(status),
            Err(error) => {
                errors.add("status", error);
                None
            }
        });
        let payment_status = self.payment_status.and_then(|text| match text.parse() {
            Ok(status) => Some(status),
            Err(error) => {
                errors.add("paymentStatus", error);
                None
            }
        });
        let created_from = errors.time("createdFrom", self.created_from.map(|it| it.0));
        let created_to = errors.time("createdTo", self.created_to.map(|it| it.0));
        let reference = self.reference.and_then(|text| match text.parse::<Reference>() {
            Ok(reference) => Some(reference),
            Err(_) => {
                errors.add("reference", "must be a UUID");
                None
            }
        });
        let id = self.order_number.and_then(|text| match OrderId::from_order_number(&text) {
            Some(id) => Some(id),
            None => {
                errors.add("orderNumber", "must be a number such as ORD-00000001");
                None
            }
        });
        let customer_key = self.customer_email.and_then(|text| match EmailAddress::parse(&text.0) {
            Ok(address) => Some(address.key()),
            Err(error) => {
                errors.add("customerEmail", error);
                None
            }
        });
        errors.into_result(Filter { id, status, payment_status, customer_key, created_from, created_to, reference })
    }
}
