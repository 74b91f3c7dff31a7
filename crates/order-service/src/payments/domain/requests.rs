//! What a client sends about payments, and the checks of every field.

use super::{Method, Provider};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::Money;
use utoipa::ToSchema;

/// By what a payment is asked for, once its fields were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AskedPayment {
    /// By what.
    pub method: Method,
    /// Who serves it.
    pub provider: Provider,
}

/// By what an order that is being placed is to be paid.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacePayment {
    /// By what.
    #[schema(required, nullable = false, value_type = Method, example = "CASH_ON_DELIVERY")]
    pub method: Option<String>,
    /// Who takes the money, where several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Provider>, example = "ON_DELIVERY")]
    pub provider: Option<String>,
}

impl PlacePayment {
    /// Adds what is at fault, each field below `prefix`. Gives nothing where something is.
    pub fn parse(self, errors: &mut FieldErrors, prefix: &str) -> Option<AskedPayment> {
        let method_field = format!("{prefix}method");
        let method = match self.method.as_deref().map(str::parse::<Method>) {
            None => {
                errors.add(method_field.as_str(), "is required");
                None
            }
            Some(parsed) => parsed.map_err(|error| errors.add(method_field.as_str(), error)).ok(),
        };
        let named = self.provider.map(|text| text.parse::<Provider>());
        let named = named.transpose().map_err(|error| errors.add(format!("{prefix}provider"), error)).ok()?;
        let method = method?;
        let Some(provider) = Provider::of(method) else {
            errors.add(method_field, format!("{method} is not set up in this shop"));
            return None;
        };
        if named.is_some_and(|named| named != provider) {
            errors.add(format!("{prefix}provider"), format!("does not serve {method} in this shop"));
            return None;
        }
        Some(AskedPayment { method, provider })
    }
}

/// By what an order is to be paid.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenPayment {
    /// By what.
    #[schema(required, nullable = false, value_type = Method, example = "CASH_ON_DELIVERY")]
    pub method: Option<String>,
    /// Who takes the money, where several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Provider>, example = "ON_DELIVERY")]
    pub provider: Option<String>,
}

impl OpenPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<AskedPayment, FieldErrors> {
        let mut errors = FieldErrors::default();
        let fields = PlacePayment { method: self.method.clone(), provider: self.provider.clone() };
        fields.parse(&mut errors, "").ok_or(errors)
    }
}

impl Body for OpenPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// Money that was collected at the door.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectPayment {
    /// How much; all that is owed, which is what is taken for it where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, multiple_of = 0.01, example = 39.80)]
    pub amount: Option<Money>,
    /// What is to be known of it, such as the number of the receipt. The customer sees it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, format = "lines", example = "Receipt 4711")]
    pub reason: Option<String>,
}

/// Money to be given back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundPayment {
    /// How much; all that can be given back where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, format = "decimal", minimum = 0.01, multiple_of = 0.01, example = 5.00)]
    pub amount: Option<Money>,
    /// Why. The customer sees it, too.
    #[schema(required, nullable = false, max_length = 500, format = "lines", example = "One piece was scratched")]
    pub reason: Option<String>,
}

fn check_amount(errors: &mut FieldErrors, amount: Option<Money>) -> Option<Money> {
    if amount.is_some_and(|amount| !amount.is_positive()) {
        errors.add("amount", "must be at least 0.01");
    }
    amount
}

impl CollectPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(Option<Money>, Option<String>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let amount = check_amount(&mut errors, self.amount);
        let reason = errors.optional_lines("reason", self.reason.clone(), 500);
        errors.into_result((amount, reason))
    }
}

impl Body for CollectPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

impl RefundPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(Option<Money>, String), FieldErrors> {
        let mut errors = FieldErrors::default();
        let amount = check_amount(&mut errors, self.amount);
        let reason = errors.required_lines("reason", self.reason.clone(), 500);
        errors.into_result((amount, reason))
    }
}

impl Body for RefundPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenPayment, Provider};

    fn parse(method: Option<&str>, provider: Option<&str>) -> Result<Provider, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let body = OpenPayment { method: text(method), provider: text(provider) };
        body.parse().map(|asked| asked.provider).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_method_has_its_provider_or_is_refused() {
        assert_eq!(parse(Some("cash_on_delivery"), None), Ok(Provider::OnDelivery));
        assert_eq!(parse(Some("CASH_ON_DELIVERY"), Some("ON_DELIVERY")), Ok(Provider::OnDelivery));
        assert_eq!(parse(None, None), Err("method is required".to_owned()));
        assert_eq!(parse(Some("CARD"), None), Err("method CARD is not set up in this shop".to_owned()));
        let other = "provider does not serve CASH_ON_DELIVERY in this shop".to_owned();
        assert_eq!(parse(Some("CASH_ON_DELIVERY"), Some("STRIPE")), Err(other));
        let two = parse(Some("BARTER"), Some("ME")).unwrap_err();
        assert!(two.contains("method must be one of CARD") && two.contains("provider must be one of STRIPE"), "{two}");
    }
}
