//! Payments by Razorpay: paid at its checkout, confirmed by a signed return or a webhook, given back, and money that comes late
//! or is only promised.

use e2e::money::{
    CENTS, TOTAL, amounts, announced, becomes, books_are_equal, cancel, confirm, deliver, findings, is_due_now,
    is_looked_at, operations, order_payment, payment, placed_by, reference, refund, sandbox, session,
};
use e2e::samples::{number, text};
use e2e::shop::Shop;
use payment_sandbox::Sandbox;
use payment_sandbox::razorpay::Paid;
use serde_json::{Value, json};

/// What the page brings back of a customer who has paid.
fn triple(paid: &Paid) -> Value {
    json!({
        "razorpayPaymentId": paid.razorpay_payment_id,
        "razorpayOrderId": paid.razorpay_order_id,
        "razorpaySignature": paid.razorpay_signature,
    })
}

fn pays(sandbox: &Sandbox, order: &str) -> Paid {
    sandbox.razorpay().pays(order, "success@razorpay", "upi").unwrap()
}

#[tokio::test]
async fn an_order_is_paid_by_upi_and_then_confirmed() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let answer = session(&shop, of_order).await.is(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let page = answer.json();
    let order = text(&page["razorpayOrderId"]);
    let wanted = json!({"razorpayOrderId": order, "keyId": "rzp_test_sandbox", "amount": CENTS, "currency": "INR"});
    assert_eq!(page, wanted);
    sandbox.razorpay().pays(order, "failure@razorpay", "upi").unwrap_err();
    let failed = confirm(&shop, of_order, json!({})).await.is(200).json();
    assert_eq!((&failed["status"], order_payment(&shop, id).await.as_str()), (&json!("FAILED"), "DUE"));

    let paid = confirm(&shop, of_order, triple(&pays(&sandbox, order))).await.is(200).json();
    assert_eq!(amounts(&paid), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(
        operations(&paid),
        [format!("CREATE {TOTAL} SUCCEEDED CHECKOUT"), format!("CAPTURE {TOTAL} SUCCEEDED CHECKOUT")]
    );
    shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(shop.timeline(id).await, ["PENDING", "PAID", "CONFIRMED"]);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_return_counts_only_as_it_was_signed_and_for_its_own_payment() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (_, mine) = placed_by(&shop, "UPI").await;
    let (_, other) = placed_by(&shop, "UPI").await;
    let (my_order, other_order) = (announced(&shop, mine).await, announced(&shop, other).await);
    let (my_return, other_return) = (triple(&pays(&sandbox, &my_order)), triple(&pays(&sandbox, &other_order)));
    let mut forged = my_return.clone();
    forged["razorpaySignature"] = json!("0".repeat(64));
    // The order that counts is the one that we know, whatever the page names.
    let mut disguised = other_return.clone();
    disguised["razorpayOrderId"] = json!(my_order);
    for wrong in [&forged, &other_return, &disguised] {
        let refused = confirm(&shop, mine, wrong.clone()).await;
        assert_eq!(refused.fields_at_fault(), ["razorpaySignature"], "{wrong}");
    }
    for missing in ["razorpayPaymentId", "razorpayOrderId", "razorpaySignature"] {
        let mut part = my_return.clone();
        part.as_object_mut().unwrap().remove(missing);
        assert_eq!(confirm(&shop, mine, part).await.fields_at_fault(), [missing]);
    }
    assert_eq!(payment(&shop, mine).await["status"], "CREATED", "nobody looked");
    confirm(&shop, mine, my_return).await.is(200);
    confirm(&shop, other, other_return).await.is(200);
    for of_order in [mine, other] {
        becomes(&shop, of_order, "CAPTURED").await;
    }
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_webhook_tells_of_it_and_by_whichever_name_it_comes_it_counts_once() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "WALLET").await;
    let order = announced(&shop, of_order).await;
    sandbox.happened();
    sandbox.razorpay().pays(&order, "success@razorpay", "wallet").unwrap();
    let mut happened = sandbox.happened();
    let kinds: Vec<&str> = happened.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["payment.authorized", "payment.captured", "order.paid"]);
    happened.reverse();
    for _ in 0..3 {
        deliver(&shop, &happened).await;
    }
    becomes(&shop, of_order, "CAPTURED").await;
    shop.order_becomes(id, "CONFIRMED").await;
    // The name of the event is not signed: an old body under another one is heard, and changes nothing.
    for one in &mut happened {
        one.id = format!("{}_again", one.id);
    }
    deliver(&shop, &happened).await;
    assert_eq!(shop.database.number("SELECT count(*) FROM orders.payment_events").await, 6);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn money_goes_back_in_parts_and_when_the_order_is_cancelled() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "NET_BANKING").await;
    let paid = pays(&sandbox, &announced(&shop, of_order).await);
    confirm(&shop, of_order, triple(&paid)).await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    let part = refund(&shop, of_order, Some("9.98")).await.is(200).json();
    assert_eq!((&part["status"], &part["amount"]), (&json!("SUCCEEDED"), &number("9.98")));
    refund(&shop, of_order, Some("50.01")).await.problem(409, "refund-exceeds-payment");
    cancel(&shop, id).await;
    let back = becomes(&shop, of_order, "REFUNDED").await;
    assert_eq!(amounts(&back), format!("REFUNDED {TOTAL} {TOTAL} {TOTAL}"));
    assert!(operations(&back).contains(&"REFUND 50.00 SUCCEEDED ORDER_CANCELLED".to_owned()), "{back}");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_paid_after_the_order_was_cancelled_goes_back_without_any_webhook() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let order = announced(&shop, of_order).await;
    cancel(&shop, id).await;
    assert_eq!(
        payment(&shop, of_order).await["status"],
        "VOIDED",
        "Razorpay closes nothing: it is closed in our books"
    );
    pays(&sandbox, &order);
    is_due_now(&shop, of_order).await;
    let back = becomes(&shop, of_order, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED ORDER_CANCELLED")), "{back}");
    assert_eq!(shop.timeline(id).await, ["PENDING", "CANCELLED"]);
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_failed_attempt_that_is_authorized_late_pays_the_order() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let order = announced(&shop, of_order).await;
    sandbox.razorpay().pays(&order, "failure@razorpay", "upi").unwrap_err();
    assert_eq!(confirm(&shop, of_order, json!({})).await.is(200).json()["status"], "FAILED");
    let attempt = sandbox.razorpay().all_payments().pop().unwrap();
    sandbox.happened();
    sandbox.razorpay().ends(&attempt.id, true).unwrap();
    deliver(&shop, &sandbox.happened()).await;
    becomes(&shop, of_order, "CAPTURED").await;
    shop.order_becomes(id, "CONFIRMED").await;
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_second_attempt_that_was_only_promised_goes_back_by_itself_and_is_in_no_books() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let order = announced(&shop, of_order).await;
    // Two attempts are under way at once. The first is taken, so the second never will be.
    let [first, second] = [(); 2].map(|()| sandbox.razorpay().begins(&order, "upi").unwrap());
    assert_eq!(confirm(&shop, of_order, json!({})).await.is(200).json()["status"], "ACTION_REQUIRED");
    sandbox.razorpay().ends(&first.id, true).unwrap();
    assert_eq!(sandbox.razorpay().ends(&second.id, true).unwrap().status, "authorized");
    let paid = confirm(&shop, of_order, json!({})).await.is(200).json();
    assert_eq!(amounts(&paid), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    sandbox.happened();
    sandbox.razorpay().goes_back(&second.id).unwrap();
    deliver(&shop, &sandbox.happened()).await;
    shop.order_becomes(id, "CONFIRMED").await;
    is_looked_at(&shop, of_order).await;
    let after = payment(&shop, of_order).await;
    assert_eq!(amounts(&after), format!("CAPTURED {TOTAL} {TOTAL} 0.00"), "another attempt than the one that paid");
    let totals = sandbox.totals(&reference(&shop, of_order).await);
    assert_eq!((totals.captured, totals.refunded), (CENTS, 0));
    assert_eq!(findings(&shop).await, Vec::<String>::new());
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn a_refund_that_the_provider_will_not_make_is_asked_for_once_and_left_to_people() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let paid = pays(&sandbox, &announced(&shop, of_order).await);
    confirm(&shop, of_order, triple(&paid)).await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    // Razorpay gives no less back than one rupee, and half a rupee is left by what somebody did there.
    sandbox.razorpay().refunds(&paid.razorpay_payment_id, Some(5948)).unwrap();
    is_looked_at(&shop, of_order).await;
    cancel(&shop, id).await;
    e2e::poll::eventually("the refund to be refused", async || {
        let refused = "SELECT amount::text FROM orders.payment_operations WHERE status = 'REFUSED' AND kind = 'REFUND'";
        e2e::poll::equal(shop.database.texts(refused).await, vec!["0.50".to_owned()])
    })
    .await;
    // Looks that follow ask for it no second time.
    for _ in 0..3 {
        is_looked_at(&shop, of_order).await;
    }
    let left = payment(&shop, of_order).await;
    assert_eq!(amounts(&left), format!("PART_REFUNDED {TOTAL} {TOTAL} 59.48"));
    let asked = sandbox.called().into_iter().filter(|called| called.call.ends_with("/refund")).count();
    assert_eq!(asked, 1, "once, what is left");
    let refused = "STATUS: a refund of what nobody is owed was refused".to_owned();
    assert!(findings(&shop).await.contains(&refused), "{:?}", findings(&shop).await);
    assert_eq!(sandbox.breaches().len(), 1, "{:?}", sandbox.breaches());
    shop.assert_invariants().await;
}

#[tokio::test]
async fn what_is_paid_on_a_payment_that_was_called_off_buys_nothing() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let page = session(&shop, of_order).await.is(200).json();
    let voided = shop.orders().post(&format!("/api/payments/{of_order}/void"), json!({})).await.is(200).json();
    assert_eq!(voided["status"], "VOIDED");
    let paid = pays(&sandbox, text(&page["razorpayOrderId"]));
    deliver(&shop, &sandbox.happened()).await;
    becomes(&shop, of_order, "REFUNDED").await;
    shop.order_becomes(id, "CANCELLED").await;
    assert_eq!(confirm(&shop, of_order, triple(&paid)).await.is(200).json()["status"], "REFUNDED");
    assert!(!shop.timeline(id).await.contains(&"CONFIRMED".to_owned()));
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn no_less_is_given_back_than_razorpay_does() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order) = placed_by(&shop, "UPI").await;
    let page = session(&shop, of_order).await.is(200).json();
    let paid = pays(&sandbox, text(&page["razorpayOrderId"]));
    confirm(&shop, of_order, triple(&paid)).await.is(200);
    shop.order_becomes(id, "CONFIRMED").await;
    for too_little in ["0.99", "59.50"] {
        assert_eq!(refund(&shop, of_order, Some(too_little)).await.is(400).fields_at_fault(), ["amount"]);
    }
    refund(&shop, of_order, Some("58.98")).await.is(200);
    refund(&shop, of_order, None).await.is(200);
    books_are_equal(&shop, &sandbox).await;
}

/// An order that its bank promised to pay, and of which Razorpay has taken nothing yet; its number, its payment's and
/// Razorpay's name of that.
async fn promised(shop: &Shop, sandbox: &Sandbox) -> (i64, i64, String) {
    let (id, of_order) = placed_by(shop, "UPI").await;
    let order = announced(shop, of_order).await;
    let attempt = sandbox.razorpay().begins(&order, "upi").unwrap().id;
    sandbox.razorpay().promises(&attempt).unwrap();
    let promised = confirm(shop, of_order, json!({})).await.is(200).json();
    assert_eq!(amounts(&promised), format!("AUTHORIZED {TOTAL} 0.00 0.00"));
    shop.order_becomes(id, "CONFIRMED").await;
    assert_eq!(order_payment(shop, id).await, "AUTHORIZED");
    // Nobody looks by himself while the test goes on.
    let later = "UPDATE orders.payments_at_work SET next_attempt_at = clock_timestamp() + INTERVAL '1 hour'";
    shop.database.execute(format!("{later} WHERE payment_id = {of_order}")).await;
    (id, of_order, attempt)
}

#[tokio::test]
async fn what_razorpay_leaves_untaken_is_taken_at_once() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order, _) = promised(&shop, &sandbox).await;
    is_due_now(&shop, of_order).await;
    let taken = becomes(&shop, of_order, "CAPTURED").await;
    assert_eq!(
        operations(&taken),
        [format!("CREATE {TOTAL} SUCCEEDED CHECKOUT"), format!("CAPTURE {TOTAL} SUCCEEDED CHECKOUT")]
    );
    assert_eq!(order_payment(&shop, id).await, "PAID");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn an_order_whose_promised_money_went_back_is_found_and_can_be_paid_again() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order, attempt) = promised(&shop, &sandbox).await;
    sandbox.razorpay().goes_back(&attempt).unwrap();
    is_looked_at(&shop, of_order).await;
    assert_eq!(amounts(&payment(&shop, of_order).await), format!("EXPIRED {TOTAL} 0.00 0.00"));
    assert_eq!(findings(&shop).await, ["STATUS: promised money went back untaken"]);
    let path = format!("/api/orders/{id}/payments");
    shop.orders().post(&path, json!({"method": "UPI"})).await.problem(409, "invalid-transition");
    let shipped = json!({"status": "SHIPPED"});
    shop.orders().put(&format!("/api/orders/{id}/status"), shipped).await.problem(409, "payment-required");
    // The customer pays once more on the page that is open still.
    let order = text(&payment(&shop, of_order).await["providerId"]).to_owned();
    pays(&sandbox, &order);
    for _ in 0..2 {
        is_looked_at(&shop, of_order).await;
    }
    assert_eq!(amounts(&payment(&shop, of_order).await), format!("CAPTURED {TOTAL} {TOTAL} 0.00"));
    assert_eq!(order_payment(&shop, id).await, "PAID");
    shop.orders().post(&path, json!({"method": "UPI"})).await.problem(409, "already-paid");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_is_paid_again_goes_back_where_another_payment_has_taken_the_place() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    let (id, of_order, attempt) = promised(&shop, &sandbox).await;
    sandbox.razorpay().goes_back(&attempt).unwrap();
    is_looked_at(&shop, of_order).await;
    let at_the_door = json!({"method": "CASH_ON_DELIVERY"});
    shop.orders().post(&format!("/api/orders/{id}/payments"), at_the_door).await.is(201);
    pays(&sandbox, text(&payment(&shop, of_order).await["providerId"]));
    is_looked_at(&shop, of_order).await;
    let back = becomes(&shop, of_order, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED LATE")), "{back}");
    assert_eq!(order_payment(&shop, id).await, "ON_DELIVERY");
    books_are_equal(&shop, &sandbox).await;
}

#[tokio::test]
async fn what_was_only_promised_of_a_cancelled_order_is_not_kept() {
    let sandbox = sandbox().await;
    let shop = Shop::plan().paid_by(&sandbox).open().await;
    // The promise ends by itself, as nobody takes it.
    let (id, of_order, attempt) = promised(&shop, &sandbox).await;
    cancel(&shop, id).await;
    assert_eq!(payment(&shop, of_order).await["status"], "VOIDED");
    sandbox.razorpay().goes_back(&attempt).unwrap();
    is_looked_at(&shop, of_order).await;
    assert_eq!(amounts(&payment(&shop, of_order).await), format!("VOIDED {TOTAL} 0.00 0.00"));
    // Razorpay takes it all the same: then it goes back.
    let (id, of_order, attempt) = promised(&shop, &sandbox).await;
    cancel(&shop, id).await;
    sandbox.razorpay().captures(&attempt).unwrap();
    is_looked_at(&shop, of_order).await;
    let back = becomes(&shop, of_order, "REFUNDED").await;
    assert!(operations(&back).contains(&format!("REFUND {TOTAL} SUCCEEDED ORDER_CANCELLED")), "{back}");
    assert_eq!(shop.timeline(id).await, ["PENDING", "PAID", "CONFIRMED", "CANCELLED"]);
    assert_eq!(findings(&shop).await, Vec::<String>::new());
    books_are_equal(&shop, &sandbox).await;
}
