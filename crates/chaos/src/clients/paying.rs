//! Paying at the door, and giving money back.

use super::{ChaosClient, Settled, Side};
use crate::figures::Kind;
use crate::history::{ChangeSeen, MoneySeen};
use crate::requests::Request;
use reqwest::Method;
use serde_json::{Value, json};

impl ChaosClient {
    /// Has one of the latest orders paid at the door, whether it was placed so or not, and notes that the money is there.
    pub(super) async fn pay(&mut self, pick: usize) {
        let Some(order) = self.one_of_the_latest(pick) else { return };
        let (key, path) = (self.token(), format!("/api/orders/{}/payments", order.id));
        let open = Request::with_body(Method::POST, path, &json!({"method": "CASH_ON_DELIVERY"})).keyed(&key);
        let Settled { answer, .. } = self.until_definite(Kind::Pay, Side::Orders, &open, &[200, 201, 409]).await;
        let Some(answer) = answer.filter(|answer| answer.status < 300) else { return };
        let Some(payment) = serde_json::from_str::<Value>(&answer.text).ok().and_then(|it| it["id"].as_i64()) else {
            return self.history.lock().found(format!("a payment was answered {}", answer.text));
        };
        self.paid.push(payment);
        let body = json!({});
        self.move_money(Kind::Pay, payment, "collect", body, &[200, 409]).await;
    }

    /// Gives a little back, or all that is left. Of a cancelled order only all of it can be paid out: 400.
    ///
    /// Razorpay gives nothing back below 1.00. So it is no less at a time, and twice at most: of the cheapest order, as much is
    /// left.
    pub(super) async fn refund(&mut self, pick: usize) {
        let Some(payment) = self.paid.get(pick % self.paid.len().max(1)).copied() else { return };
        let parts = self.parts.entry(payment).or_default();
        let all = pick.is_multiple_of(3) || *parts == 2;
        *parts += usize::from(!all);
        let body = if all { json!({}) } else { json!({"amount": 1}) };
        self.move_money(Kind::Refund, payment, "refunds", body, &[200, 202, 400, 409]).await;
    }

    async fn move_money(&mut self, kind: Kind, payment: i64, call: &str, mut body: Value, expected: &[u16]) {
        let token = self.token();
        body["reason"] = json!(token);
        let place = {
            let mut history = self.history.lock();
            history.money.push(MoneySeen { payment, token: token.clone(), outcome: ChangeSeen::Unknown });
            history.money.len() - 1
        };
        let request = Request::with_body(Method::POST, format!("/api/payments/{payment}/{call}"), &body).keyed(&token);
        let Settled { answer, unsure } = self.until_definite(kind, Side::Orders, &request, expected).await;
        let outcome = match answer {
            // A provider may take its time: 202.
            Some(answer) if answer.status < 300 => ChangeSeen::Done,
            // An attempt without an answer may still have done it.
            Some(_) if !unsure => ChangeSeen::Refused,
            _ => ChangeSeen::Unknown,
        };
        self.history.lock().money[place].outcome = outcome;
    }
}
