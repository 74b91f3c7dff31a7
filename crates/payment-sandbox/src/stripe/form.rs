//! Bodies and queries as Stripe takes them: forms whose names nest in brackets.

use crate::stripe::error::Refusal;
use std::collections::BTreeMap;

/// The fields of a call, each with its full name: `metadata[reference]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Form {
    fields: BTreeMap<String, String>,
    /// What Stripe would refuse, or only bears.
    pub breaches: Vec<String>,
}

impl Form {
    /// Reads a form in which only these names may stand, with or without brackets behind them.
    pub(crate) fn parse(text: &[u8], known: &[&str]) -> Result<Self, (Vec<String>, Refusal)> {
        let (mut form, mut unknown) = (Self::default(), None);
        for (name, value) in url::form_urlencoded::parse(text) {
            let outer = name.split('[').next().unwrap_or_default();
            if !known.contains(&outer) {
                form.breaches.push(format!("unknown field {name}"));
                unknown = Some(name.to_string());
            }
            if name.ends_with("[]") {
                form.breaches.push(format!("array without an index: {name}"));
            }
            if form.fields.insert(name.to_string(), value.to_string()).is_some() {
                form.breaches.push(format!("field {name} stands twice"));
            }
        }
        match unknown {
            None => Ok(form),
            Some(name) => {
                let message = format!("Received unknown parameter: {name}");
                Err((form.breaches, Refusal::parameter("parameter_unknown", &name, message)))
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::parameter("parameter_missing", name, format!("Missing required param: {name}."));
        self.get(name).filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// A field that has one of these values, if it is there.
    pub(crate) fn one_of(&self, name: &str, values: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(value) if !values.contains(&value) => {
                let message = format!("Invalid {name}: must be one of {}", values.join(", "));
                Err(Refusal::parameter("parameter_invalid", name, message))
            }
            value => Ok(value),
        }
    }

    /// A whole number, if the field is there.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let invalid = |text| Refusal::parameter("parameter_invalid_integer", name, format!("Invalid integer: {text}"));
        self.get(name).map(|text| text.parse().map_err(|_| invalid(text))).transpose()
    }

    /// What stands in `metadata`.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
        self.fields.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn names_nest() {
        let text = b"amount=1000&metadata%5Breference%5D=a%20b&payment_method_types%5B0%5D=card";
        let form = Form::parse(text, &["amount", "metadata", "payment_method_types"]).unwrap();
        assert_eq!(form.number("amount"), Ok(Some(1000)));
        assert_eq!(form.get("payment_method_types[0]"), Some("card"));
        assert_eq!(form.metadata()["reference"], "a b");
        assert_eq!(form.breaches, [""; 0]);
    }

    #[test]
    fn what_stripe_does_not_take_is_refused() {
        let (breaches, refusal) = Form::parse(b"x%5B%5D=1&colour=red&x%5B%5D=2", &["x"]).unwrap_err();
        assert_eq!(breaches[..2], ["array without an index: x[]", "unknown field colour"]);
        assert_eq!(breaches[3], "field x[] stands twice");
        assert_eq!((refusal.code.as_str(), refusal.kept), ("parameter_unknown", false));
        let form = Form::parse(b"amount=10.00", &["amount"]).unwrap();
        assert_eq!(form.number("amount").unwrap_err().code, "parameter_invalid_integer");
        assert_eq!(form.required("currency").unwrap_err().code, "parameter_missing");
        assert!(form.one_of("amount", &["1"]).is_err());
    }
}
