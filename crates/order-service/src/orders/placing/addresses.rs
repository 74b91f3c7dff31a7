//! Orders to one of the customer's own addresses: account-service says where that is, before anything is held. The order keeps a
//! copy.

use crate::orders::error::Error;
use crate::orders::placing::requests;
use crate::orders::state::Orders;
use reqwest::Method;
use serde::Deserialize;
use service_kit::access::Scope;
use service_kit::answer::Answer;
use service_kit::idempotency::{Fingerprint, IdempotencyKey};
use service_kit::validation::FieldErrors;
use uuid::Uuid;

/// What looking an address up comes to.
#[derive(Debug)]
pub enum LookUp {
    /// The request was answered before: account-service was not asked.
    Answered(Answer),
    /// The address, as an order has it.
    Address(String),
}

/// An address as account-service has it.
#[derive(Clone, Debug, Deserialize)]
struct KeptAddress {
    name: String,
    lines: Vec<String>,
    city: String,
    region: Option<String>,
    postcode: String,
    country: String,
}

impl KeptAddress {
    /// One part in each line. Account-service sees to it that the longest fits.
    fn written(self) -> String {
        let ends = [Some(self.city), self.region, Some(self.postcode), Some(self.country)];
        let all: Vec<String> = [self.name].into_iter().chain(self.lines).chain(ends.into_iter().flatten()).collect();
        all.join("\n")
    }
}

/// Looks up where an order is to be sent. An address of somebody else is as one that does not exist.
pub async fn look_up(
    orders: &Orders,
    scope: Scope,
    key: &IdempotencyKey,
    fingerprint: &Fingerprint,
    id: Uuid,
) -> Result<LookUp, Error> {
    let at_fault = |message: &str| Error::from(FieldErrors::one("shippingAddressId", message));
    let Some(owner) = scope.owner() else {
        return Err(at_fault("is for customers who are logged in; without an account, send shippingAddress"));
    };
    if let Some(answer) = requests::answered_before(&orders.db, key, fingerprint).await? {
        return Ok(LookUp::Answered(answer));
    }
    let path = format!("/internal/accounts/{owner}/addresses/{id}");
    let address = orders.accounts.ask::<KeptAddress>(Method::GET, &path).await;
    let address = address.map_err(|away| Error::AccountsUnavailable(away.0))?;
    Ok(LookUp::Address(address.ok_or_else(|| at_fault("is none of your addresses"))?.written()))
}

#[cfg(test)]
mod tests {
    use super::KeptAddress;
    use serde_json::json;

    #[test]
    fn an_address_has_one_part_in_each_line() {
        let mut address = json!({"id": "x", "label": "Home", "name": "Ada", "lines": ["12 Square", "2nd floor"],
            "city": "London", "region": null, "postcode": "SW1Y 4JH", "country": "GB"});
        let written =
            |address: &serde_json::Value| serde_json::from_value::<KeptAddress>(address.clone()).unwrap().written();
        assert_eq!(written(&address), "Ada\n12 Square\n2nd floor\nLondon\nSW1Y 4JH\nGB");
        address["region"] = json!("Greater London");
        assert_eq!(written(&address), "Ada\n12 Square\n2nd floor\nLondon\nGreater London\nSW1Y 4JH\nGB");
    }
}
