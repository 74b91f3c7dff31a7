//! Whose messages were erased, and when. What happened before is not told to them any more.

use super::announced::{Announced, What};
use ring::digest::{SHA256, digest};
use service_kit::contact::key_of;
use time::OffsetDateTime;

/// The erasure of messages to somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Erasure {
    /// What is kept of the address.
    pub address_hash: Vec<u8>,
    /// Whether messages about orders were erased, too, or those about an account alone.
    pub with_orders: bool,
    /// What happened until then is not told.
    pub erased_at: OffsetDateTime,
}

impl Erasure {
    /// The erasure of all messages to the address with this key.
    pub fn of_customer(address_key: &str, erased_at: OffsetDateTime) -> Self {
        Self { address_hash: hash(address_key), with_orders: true, erased_at }
    }

    /// The erasure of those about the account that had the address with this key.
    pub fn of_account(address_key: &str, erased_at: OffsetDateTime) -> Self {
        Self { with_orders: false, ..Self::of_customer(address_key, erased_at) }
    }
}

/// Whether the one whom an event is told to was erased after it happened.
pub fn is_erased(erasures: &[Erasure], announced: &Announced<'_>) -> bool {
    let (about_account, email) = match &announced.what {
        What::Order { order, .. } => (false, Some(&order.customer_email)),
        What::Money(money) => (false, money.contact.as_ref().map(|contact| &contact.email)),
        What::Account { email, .. } => (true, Some(email)),
        What::Stock(_) => (false, None),
    };
    let applies = |it: &&Erasure| announced.time <= it.erased_at && (it.with_orders || about_account);
    let mut later = erasures.iter().filter(applies).peekable();
    let Some(email) = email.filter(|_| later.peek().is_some()) else { return false };
    let address_hash = hash(&key_of(email));
    later.any(|it| it.address_hash == address_hash)
}

fn hash(address_key: &str) -> Vec<u8> {
    digest(&SHA256, address_key.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{Announced, Erasure, What, is_erased};
    use crate::notifications::domain::Kind;
    use crate::notifications::domain::announced::ToldMoney;
    use crate::notifications::domain::rules::Contact;
    use shared_types::{OrderId, OrderStatus};
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};
    use uuid::Uuid;

    const THEN: OffsetDateTime = datetime!(2026-11-27 10:15 UTC);

    fn event(what: What, time: OffsetDateTime) -> Announced<'static> {
        Announced { event_id: Uuid::nil(), time, what, data: "{}".into(), traceparent: None }
    }

    /// What is told to this address: of an order, of its money, of an account.
    fn told_to(email: &str) -> [What; 3] {
        let order = format!(
            r#"{{"orderId": 7, "reference": "01936f5e-7c3a-7b1e-8a4e-3f1d2c5b6a70", "customerEmail": "{email}"}}"#
        );
        let contact = Some(Contact { email: email.to_owned(), phone: None });
        [
            What::Order { status: OrderStatus::Shipped, order: serde_json::from_str(&order).unwrap() },
            What::Money(ToldMoney { kind: Some(Kind::OrderPaid), order_id: OrderId(7), contact }),
            What::Account { kind: Kind::Welcome, email: email.to_owned() },
        ]
    }

    fn erased(erasure: &Erasure, email: &str, time: OffsetDateTime) -> [bool; 3] {
        told_to(email).map(|what| is_erased(std::slice::from_ref(erasure), &event(what, time)))
    }

    #[test]
    fn who_was_erased_is_told_of_nothing_from_before() {
        let erasure = Erasure::of_customer("ada@example.com", THEN);
        for before in [THEN - Duration::days(3), THEN] {
            assert_eq!(erased(&erasure, "Ada@Example.com", before), [true; 3]);
            assert_eq!(erased(&erasure, "grace@example.com", before), [false; 3]);
        }
        assert_eq!(erased(&erasure, "ada@example.com", THEN + Duration::MILLISECOND), [false; 3]);
        assert_eq!(erased(&Erasure::of_customer("änne@example.com", THEN), "ÄNNE@example.com", THEN), [true; 3]);
        assert!(!is_erased(&[erasure], &event(What::Stock(Kind::StockLow), THEN)), "the shop is told");
    }

    #[test]
    fn who_has_erased_an_account_is_still_told_of_orders() {
        let erasure = Erasure::of_account("ada@example.com", THEN);
        assert_eq!(erased(&erasure, "ada@example.com", THEN), [false, false, true]);
    }

    #[test]
    fn the_address_is_not_kept() {
        let kept = format!("{:?}", Erasure::of_customer("ada@example.com", THEN));
        assert!(!kept.contains("ada"), "{kept}");
    }
}
