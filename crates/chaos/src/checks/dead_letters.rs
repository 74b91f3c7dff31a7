//! Nothing was set aside: every message of ours is good, whatever was broken around it.

use crate::observed::Observed;

/// Each message that was set aside, with its reason.
pub fn check(observed: &Observed) -> Vec<String> {
    observed.dead_letters.iter().map(|(service, letter)| format!("{service} has set aside {letter}")).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::observed::Observed;

    #[test]
    fn a_dead_letter_is_a_finding() {
        let mut observed = Observed::default();
        assert!(check(&observed).is_empty());
        observed.dead_letters.push(("order-service".to_owned(), serde_json::json!({"reason": "unreadable"})));
        assert_eq!(check(&observed), [r#"order-service has set aside {"reason":"unreadable"}"#]);
    }
}
