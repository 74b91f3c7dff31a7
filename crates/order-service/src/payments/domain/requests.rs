//! What a client sends about payments, and the checks of every field.

use super::{Capture, Method, Provider};
use serde::{Deserialize, Serialize};
use service_kit::body::Body;
use service_kit::validation::FieldErrors;
use shared_types::Money;
use utoipa::ToSchema;

/// By what a payment is asked for, once its fields were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestedPayment {
    /// By what.
    pub method: Method,
    /// Who is to serve it, where the client says so.
    pub provider: Option<Provider>,
}

/// By what a payment is to be opened: as it was asked for, by whom the shop has it served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AskedPayment {
    /// By what.
    pub method: Method,
    /// Who serves it.
    pub provider: Provider,
    /// When the money is taken.
    pub capture: Capture,
}

impl AskedPayment {
    /// Whether the provider takes so much; if not, the most that it takes.
    pub fn takes(&self, amount: Money) -> Result<(), Money> {
        match self.provider.most() {
            Some(most) if amount > most => Err(most),
            _ => Ok(()),
        }
    }
}

/// What a customer's means of payment is tried with.
#[derive(Clone, PartialEq, Eq)]
pub struct Trial {
    /// The provider's name of the means of payment.
    pub token: String,
    /// Where the customer's bank leads back to.
    pub return_url: Option<String>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trial")
    }
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
    pub fn parse(self, errors: &mut FieldErrors, prefix: &str) -> Option<RequestedPayment> {
        let method_field = format!("{prefix}method");
        let method = match self.method.as_deref().map(str::parse::<Method>) {
            None => {
                errors.add(method_field.as_str(), "is required");
                None
            }
            Some(parsed) => parsed.map_err(|error| errors.add(method_field.as_str(), error)).ok(),
        };
        let named = self.provider.map(|text| text.parse::<Provider>());
        let provider = named.transpose().map_err(|error| errors.add(format!("{prefix}provider"), error)).ok()?;
        Some(RequestedPayment { method: method?, provider })
    }
}

/// By what an order is to be paid, and, where the customer has named it to the provider, by which means of payment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenPayment {
    /// By what.
    #[schema(required, nullable = false, value_type = Method, example = "CARD")]
    pub method: Option<String>,
    /// Who takes the money, where several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Provider>, example = "STRIPE")]
    pub provider: Option<String>,
    /// The provider's name of the customer's means of payment (Stripe: `pm_…`), which is then tried. Never the number of a
    /// card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 255, pattern = "^pm_[A-Za-z0-9_]+$", example = "pm_card_visa")]
    pub token: Option<String>,
    /// Where the customer's bank leads back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2000, format = "uri", example = "https://shop.example/paid")]
    pub return_url: Option<String>,
}

impl OpenPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(RequestedPayment, Option<Trial>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let fields = PlacePayment { method: self.method.clone(), provider: self.provider.clone() };
        let requested = fields.parse(&mut errors, "");
        if let Some(token) = &self.token {
            let name = token.strip_prefix("pm_").unwrap_or_default();
            let plain = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
            if name.is_empty() || !plain || token.len() > 255 || is_card_number(token) {
                errors.add("token", "must be the name that the provider gave, such as pm_1Nv2");
            }
        }
        if let Some(url) = &self.return_url {
            let parsed = url::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            if is_card_number(url) {
                errors.add("returnUrl", CARD_NUMBER);
            } else if parsed.is_none_or(|url| !url.has_host()) || url.len() > 2000 {
                errors.add("returnUrl", "must be a URL of at most 2000 characters");
            }
            if self.token.is_none() {
                errors.add("returnUrl", "cannot stand without token");
            }
        }
        let trial = self.token.clone().map(|token| Trial { token, return_url: self.return_url.clone() });
        match requested {
            Some(requested) => errors.into_result((requested, trial)),
            None => Err(errors),
        }
    }
}

impl Body for OpenPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

const CARD_NUMBER: &str = "must not have the number of a card";

/// Whether a text holds what may be the number of a card: 13 to 19 digits, perhaps in groups, with the check digit of ISO/IEC
/// 7812-1. Such a text is refused and never kept: card numbers are the provider's business.
fn is_card_number(text: &str) -> bool {
    let runs = text.split(|letter: char| !letter.is_ascii_digit() && letter != ' ' && letter != '-');
    runs.into_iter().any(|run| {
        let digits: Vec<u32> = run.chars().filter_map(|letter| letter.to_digit(10)).collect();
        (13..=19).contains(&digits.len()) && luhn(&digits)
    })
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let each = digits.iter().rev().enumerate();
    let sum: u32 = each.map(|(place, digit)| if place % 2 == 1 { doubled(*digit) } else { *digit }).sum();
    sum.is_multiple_of(10)
}

/// What a page got from Razorpay's checkout when its customer had paid. Nothing, for other providers.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmPayment {
    /// `razorpay_payment_id`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    pub razorpay_payment_id: Option<String>,
    /// `razorpay_order_id`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    pub razorpay_order_id: Option<String>,
    /// `razorpay_signature`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 64)]
    pub razorpay_signature: Option<String>,
}

impl ConfirmPayment {
    /// The payment and its signature, where there are any: all three or none.
    pub fn parse(&self) -> Result<Option<(String, String)>, FieldErrors> {
        let mut errors = FieldErrors::default();
        let fields = [
            ("razorpayPaymentId", &self.razorpay_payment_id),
            ("razorpayOrderId", &self.razorpay_order_id),
            ("razorpaySignature", &self.razorpay_signature),
        ];
        let any = fields.iter().any(|(_, text)| text.is_some());
        let [payment, _, signature] = fields.map(|(field, text)| {
            if any && text.is_none() {
                errors.add(field, "is required with the others");
            }
            errors.optional_text(field, text.clone(), 64)
        });
        errors.into_result(payment.zip(signature))
    }
}

impl Body for ConfirmPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// What is to become of a payment that somebody looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It counts as what it was opened for.
    Accept,
    /// The order is cancelled and its money given back.
    Refund,
}

/// What was decided about a payment under review.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewPayment {
    /// `ACCEPT`: the money counts as that of the order. `REFUND`: the order is cancelled and the money given back.
    #[schema(required, nullable = false, pattern = "^(ACCEPT|REFUND)$", example = "ACCEPT")]
    pub decision: Option<String>,
    /// Why.
    #[schema(
        required,
        nullable = false,
        max_length = 500,
        format = "lines",
        example = "The bank confirmed the amount"
    )]
    pub note: Option<String>,
}

impl ReviewPayment {
    /// Checks every field and names all that are at fault.
    pub fn parse(&self) -> Result<(Decision, String), FieldErrors> {
        let mut errors = FieldErrors::default();
        let decision = match self.decision.as_deref() {
            Some(text) if text.eq_ignore_ascii_case("ACCEPT") => Decision::Accept,
            Some(text) if text.eq_ignore_ascii_case("REFUND") => Decision::Refund,
            Some(_) => {
                errors.add("decision", "must be ACCEPT or REFUND");
                Decision::Accept
            }
            None => {
                errors.add("decision", "is required");
                Decision::Accept
            }
        };
        let note = errors.required_lines("note", self.note.clone(), 500);
        no_card_number(&mut errors, "note", Some(&note));
        errors.into_result((decision, note))
    }
}

impl Body for ReviewPayment {
    fn faults(&self) -> FieldErrors {
        self.parse().err().unwrap_or_default()
    }
}

/// Refuses a text that holds what may be the number of a card.
pub(super) fn no_card_number(errors: &mut FieldErrors, field: &str, text: Option<&str>) {
    if text.is_some_and(is_card_number) {
        errors.add(field, CARD_NUMBER);
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, OpenPayment, Provider, is_card_number};

    fn open(method: Option<&str>, provider: Option<&str>) -> OpenPayment {
        let text = |text: Option<&str>| text.map(str::to_owned);
        OpenPayment { method: text(method), provider: text(provider), ..OpenPayment::default() }
    }

    fn parse(method: Option<&str>, provider: Option<&str>) -> Result<(Method, Option<Provider>), String> {
        let parsed = open(method, provider).parse();
        parsed.map(|(asked, _)| (asked.method, asked.provider)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_method_is_read_or_refused() {
        assert_eq!(parse(Some("cash_on_delivery"), None), Ok((Method::CashOnDelivery, None)));
        assert_eq!(parse(Some("CARD"), Some("STRIPE")), Ok((Method::Card, Some(Provider::Stripe))));
        assert_eq!(parse(None, None), Err("method is required".to_owned()));
        let two = parse(Some("BARTER"), Some("ME")).unwrap_err();
        assert!(two.contains("method must be one of CARD") && two.contains("provider must be one of STRIPE"), "{two}");
    }

    #[test]
    fn a_token_is_a_name_and_never_a_number() {
        let with = |token: &str, url: Option<&str>| {
            let (token, return_url) = (Some(token.to_owned()), url.map(str::to_owned));
            let body = OpenPayment { token, return_url, ..open(Some("CARD"), None) };
            body.parse().map(|(_, trial)| trial.unwrap().token).map_err(|errors| errors.to_string())
        };
        assert_eq!(with("pm_card_visa", Some("https://shop.example/paid")), Ok("pm_card_visa".to_owned()));
        for wrong in ["4242424242424242", "pm_", "tok_x", "pm_a/../b", "pm_a b", "", "pm_4242424242424242", "pm_\u{0}"]
        {
            let error = with(wrong, None).unwrap_err();
            assert!(error.starts_with("token must be") && !error.contains("4242"), "{wrong}: {error}");
        }
        for wrong in ["shop.example", "javascript:alert(1)", "/paid", "https://"] {
            assert!(with("pm_x", Some(wrong)).unwrap_err().starts_with("returnUrl must be"), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_cards_are_known_in_any_grouping() {
        for number in ["4242424242424242", "card 4242 4242 4242 4242!", "5555-5555-5555-4444", "378282246310005"] {
            assert!(is_card_number(number), "{number}");
        }
        for other in ["4242424242424243", "Receipt 4711", "+44 20 7946 0000", "1".repeat(30).as_str()] {
            assert!(!is_card_number(other), "{other}");
        }
    }
}
