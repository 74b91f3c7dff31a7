//! Paying a provider: with a card that is tried, on a page, or not at all.

use super::{ChaosClient, Settled, Side};
use crate::figures::Kind;
use crate::operations::Way;
use crate::requests::{Answer, Request};
use payment_sandbox::razorpay::Paid;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use verify::records::Order;

/// Orders are paid while they wait for it, most of them.
const LATEST: usize = 3;

/// A payment by a provider of one of the client's orders.
#[derive(Clone, Debug)]
pub(super) struct Due {
    payment: i64,
    order: i64,
    by: By,
    /// The provider's name of it, once a page was opened. The page stays open, whatever becomes of the order.
    page: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Card,
    Upi,
}

#[derive(Deserialize)]
struct Placed {
    payment: Option<Payment>,
}

/// A payment as it is answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    id: i64,
    method: String,
    #[serde(default)]
    status: String,
    provider_id: Option<String>,
    captured: Option<f64>,
}

/// What a page needs, of either provider.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    client_secret: Option<String>,
    razorpay_order_id: Option<String>,
}

impl Due {
    /// The payment of an order as it was placed, if it is by a provider.
    pub(super) fn of(order: &Order, answer: &str) -> Option<Self> {
        let payment = serde_json::from_str::<Placed>(answer).ok()?.payment?;
        let by = match payment.method.as_str() {
            "CARD" => By::Card,
            "UPI" => By::Upi,
            _ => return None,
        };
        Some(Self { payment: payment.id, order: order.id, by, page: None })
    }
}

impl Way {
    /// Whether the provider takes the money in the end.
    fn is_good(self) -> bool {
        matches!(self, Self::Pays | Self::Twice | Self::Asked(Some(true)) | Self::OnPage(true))
    }
}

impl ChaosClient {
    /// Pays one of the latest orders that are to be paid first, or tries to: also one that is paid, cancelled or given up.
    pub(super) async fn charge(&mut self, pick: usize, way: Way) {
        let place = self.due.len().saturating_sub(LATEST) + pick % self.due.len().clamp(1, LATEST);
        let Some(due) = self.due.get(place).cloned() else { return };
        if way.is_good() {
            self.history.lock().tried.insert(due.order);
        }
        match (way, due.by) {
            (Way::CalledOff, _) => self.call_payment_off(&due).await,
            (Way::OnPage(_), _) | (_, By::Upi) => self.pay_on_page(place, way.is_good(), pick.is_multiple_of(2)).await,
            (Way::Pays, By::Card) => drop(self.try_card(&due, "pm_card_visa").await),
            (Way::Declined, By::Card) => drop(self.try_card(&due, "pm_card_chargeDeclined").await),
            (Way::Twice, By::Card) => self.try_card_twice(&due).await,
            (Way::Asked(word), By::Card) => self.ask_the_bank(&due, word, pick.is_multiple_of(2)).await,
        }
        if pick.is_multiple_of(3) {
            self.look_at_payment(&due, pick).await;
        }
    }

    /// Has a card tried, until what came of it is known.
    async fn try_card(&mut self, due: &Due, card: &str) -> Option<Payment> {
        let key = self.token();
        let Settled { answer, .. } = self.ask_for_card(due, card, &key).await;
        self.told(answer)
    }

    /// Two cards for one order, each under a key of its own: the money is taken once.
    async fn try_card_twice(&mut self, due: &Due) {
        let (one, other) = (self.token(), self.token());
        let mut twin = self.clone();
        twin.process += 1;
        let (one, other) = tokio::join!(
            self.ask_for_card(due, "pm_card_visa", &one),
            twin.ask_for_card(due, "pm_card_mastercard", &other)
        );
        self.told(one.answer);
        self.told(other.answer);
    }

    async fn ask_for_card(&mut self, due: &Due, card: &str, key: &str) -> Settled {
        let (path, body) = (format!("/api/orders/{}/payments", due.order), json!({"method": "CARD", "token": card}));
        let request = Request::with_body(Method::POST, path, &body).keyed(key);
        self.until_definite(Kind::Charge, Side::Orders, &request, &[200, 201, 409]).await
    }

    /// The customer's bank asks, and the customer says yes or no, or closes the page.
    async fn ask_the_bank(&mut self, due: &Due, word: Option<bool>, comes_back: bool) {
        let Some(payment) = self.try_card(due, "pm_card_threeDSecure2Required").await else { return };
        let (Some(intent), Some(yes), "ACTION_REQUIRED") = (&payment.provider_id, word, payment.status.as_str()) else {
            return;
        };
        // What is over is refused, also by the bank.
        let acted = self.sandbox.stripe().acts(intent, yes);
        if acted.is_ok_and(|intent| intent.received > 0) {
            self.history.lock().told_paid.insert(payment.id);
        }
        if comes_back {
            self.confirm(payment.id, &json!({})).await;
        }
    }

    /// Pays on the provider's page, which the customer may have opened long ago. What the page says is told to the shop by the
    /// customer's browser, or by the provider alone.
    async fn pay_on_page(&mut self, place: usize, good: bool, comes_back: bool) {
        let due = self.due[place].clone();
        let page = match due.page.clone() {
            Some(page) => Some(page),
            None => self.open_page(&due).await,
        };
        let Some(page) = page else { return };
        self.due[place].page = Some(page.clone());
        let body = match due.by {
            By::Card => {
                let card = if good { "pm_card_visa" } else { "pm_card_chargeDeclined" };
                let paid = self.sandbox.stripe().pays(&page, card);
                if paid.is_ok_and(|intent| intent.received > 0) {
                    self.history.lock().told_paid.insert(due.payment);
                    self.paid.push(due.payment);
                }
                Some(json!({}))
            }
            By::Upi => {
                let address = if good { "success@razorpay" } else { "failure@razorpay" };
                self.sandbox.razorpay().pays(&page, address, "upi").ok().map(|paid| triple(&paid))
            }
        };
        if let Some(body) = body.filter(|_| comes_back) {
            self.confirm(due.payment, &body).await;
        }
    }

    async fn open_page(&mut self, due: &Due) -> Option<String> {
        let path = format!("/api/payments/{}/session", due.payment);
        let request = Request::with_body(Method::POST, path, &json!({}));
        let settled = self.until_definite(Kind::Session, Side::Orders, &request, &[200, 409]).await;
        let answer = settled.answer.filter(|answer| answer.status == 200)?;
        let session = serde_json::from_str::<Session>(&answer.text).ok();
        let intent = |secret: String| secret.split("_secret").next().map(str::to_owned);
        let page = session.and_then(|it| it.razorpay_order_id.or_else(|| it.client_secret.and_then(intent)));
        if page.is_none() {
            self.history.lock().found(format!("payment {} cannot be paid on this page: {}", due.payment, answer.text));
        }
        page
    }

    /// The customer comes back from the page.
    async fn confirm(&mut self, payment: i64, body: &Value) {
        let request = Request::with_body(Method::POST, format!("/api/payments/{payment}/confirm"), body);
        let Settled { answer, .. } = self.until_definite(Kind::Confirm, Side::Orders, &request, &[200, 409]).await;
        self.told(answer);
    }

    async fn call_payment_off(&mut self, due: &Due) {
        // Only the shop does.
        if self.person.is_some() {
            return;
        }
        let (key, path) = (self.token(), format!("/api/payments/{}/void", due.payment));
        let request = Request::with_body(Method::POST, path, &json!({})).keyed(&key);
        let Settled { answer, .. } = self.until_definite(Kind::CallOff, Side::Orders, &request, &[200, 409]).await;
        self.told(answer);
    }

    async fn look_at_payment(&mut self, due: &Due, pick: usize) {
        let path = match pick.is_multiple_of(2) {
            true => format!("/api/payments/{}", due.payment),
            false => format!("/api/orders/{}/payments", due.order),
        };
        self.attempt(Kind::Read, Side::Orders, &Request::get(path), &[200]).await;
    }

    /// Remembers what an answer says of a payment. Money that it says to have come must be in the books from then on.
    fn told(&mut self, answer: Option<Answer>) -> Option<Payment> {
        let answer = answer.filter(|answer| answer.status < 300)?;
        let payment = serde_json::from_str::<Payment>(&answer.text);
        let what = |error| self.history.lock().found(format!("a payment was answered {}: {error}", answer.text));
        let payment = payment.map_err(what).ok()?;
        if payment.captured.is_some_and(|captured| captured > 0.0) {
            self.history.lock().told_paid.insert(payment.id);
            self.paid.push(payment.id);
        }
        Some(payment)
    }
}

fn triple(paid: &Paid) -> Value {
    json!({
        "razorpayPaymentId": paid.razorpay_payment_id,
        "razorpayOrderId": paid.razorpay_order_id,
        "razorpaySignature": paid.razorpay_signature,
    })
}
