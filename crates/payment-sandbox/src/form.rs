//! Bodies as Stripe takes them: a form whose names nest in brackets. What Stripe would refuse, or only bears, is a breach.

use std::collections::BTreeMap;

/// The fields of a call, each with its full name: `metadata[reference]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a body; gives what is wrong with how it is written.
    pub fn parse(body: &[u8], known: &[&str]) -> (Self, Vec<String>) {
        let (mut fields, mut breaches) = (BTreeMap::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(body) {
            let outer = name.split('[').next().unwrap_or_default();
            if !known.contains(&outer) {
                breaches.push(format!("unknown field {name}"));
            }
            if name.ends_with("[]") {
                breaches.push(format!("array without an index: {name}"));
            }
            if fields.insert(name.to_string(), value.to_string()).is_some() {
                breaches.push(format!("field {name} stands twice"));
            }
        }
        (Self(fields), breaches)
    }

    /// A field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number; `Err` where it is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, String> {
        self.get(name).map(|text| text.parse().map_err(|_| format!("{name} is no whole number: {text}"))).transpose()
    }

    /// What stands in `metadata`.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let inner = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
        self.0.iter().filter_map(|(name, value)| Some((inner(name)?, value.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn names_nest_and_what_is_unusual_is_a_breach() {
        let body = b"amount=1000&metadata%5Breference%5D=a%20b&payment_method_types%5B0%5D=card&x%5B%5D=1&colour=red";
        let (form, breaches) = Form::parse(body, &["amount", "metadata", "payment_method_types", "x"]);
        assert_eq!((form.number("amount"), form.get("payment_method_types[0]")), (Ok(Some(1000)), Some("card")));
        assert_eq!(form.metadata()["reference"], "a b");
        assert_eq!(breaches, ["array without an index: x[]", "unknown field colour"]);
        assert!(Form::parse(b"amount=10.00", &["amount"]).0.number("amount").is_err());
    }
}
