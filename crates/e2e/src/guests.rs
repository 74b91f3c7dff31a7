//! What a guest learns from the mails about their order: the link to it, and the code that takes it into an account.

use crate::poll;
use crate::samples::text;
use crate::shop::{Plan, Shop};

/// Where customers reach order-service in [`Plan::guests`].
pub const PUBLIC_URL: &str = "https://shop.example";

/// Link and code of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// `/api/orders/guest/…`
    pub path: String,
    pub code: String,
}

impl Access {
    /// Reads them from the text of a mail, if it has them.
    pub fn in_text(text: &str) -> Option<Self> {
        let after = |start: &str| text.split_once(start)?.1.split_whitespace().next();
        let path = after("See your order: ")?.strip_prefix(PUBLIC_URL)?.to_owned();
        Some(Self { path, code: after("give the code ")?.trim_end_matches('.').to_owned() })
    }

    /// The path of the call that takes the order into an account.
    pub fn claim(&self) -> String {
        format!("{}/claim", self.path)
    }
}

impl Plan {
    /// Mails to guests have links.
    pub fn guests(self) -> Self {
        self.order_variable("PUBLIC_URL", PUBLIC_URL)
    }
}

impl Shop {
    /// Waits for a mail about the order, and gives what its guest learns from it.
    pub async fn guest_access(&self, order: i64) -> Access {
        poll::eventually(&format!("a mail with a link to order {order}"), async || {
            let told = self.orders().get(&format!("/api/orders/{order}/notifications")).await.is(200).array();
            let mail = told.iter().find(|row| row["channel"] == "EMAIL").ok_or_else(|| format!("{told:?}"))?;
            let mail = self.orders().get(&format!("/api/notifications/{}", mail["id"])).await.is(200).json();
            Access::in_text(text(&mail["text"])).ok_or_else(|| mail.to_string())
        })
        .await
    }
}
