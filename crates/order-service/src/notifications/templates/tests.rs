//! Every template, with facts as they are and as somebody would like to misuse them.

use super::facts::samples;
use super::{MessageTemplates, SUBJECT, built_in};
use crate::config::Config;
use crate::notifications::domain::code::Code;
use crate::notifications::domain::sms_text::{fits, is_gsm};
use crate::notifications::domain::{About, AccountFacts, Facts, Kind, MoneyFacts, OrderFacts};
use clap::Parser;
use shared_types::OrderId;
use shared_types::events::ToldPayment;
use std::path::PathBuf;

fn templates() -> MessageTemplates {
    load(&[]).unwrap()
}

fn load(flags: &[&str]) -> Result<MessageTemplates, String> {
    let config = Config::parse_from([&["order-service"], flags].concat());
    MessageTemplates::load(&config.notifications).map_err(|error| error.to_string())
}

fn order(kind: Kind, change: impl Fn(&mut OrderFacts)) -> Facts {
    match samples(kind).remove(0) {
        Facts::Order(mut facts) => {
            change(&mut facts);
            Facts::Order(facts)
        }
        others => others,
    }
}

fn order_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.has_sms())
}

#[test]
fn every_mail_says_what_it_is_about() {
    for &kind in Kind::ALL {
        for facts in samples(kind) {
            let mail = templates().mail(kind, &facts).unwrap();
            let subject = match &facts {
                Facts::Order(facts) => facts.order.order_id.order_number(),
                Facts::Stock(stock) => stock.sku.clone(),
                Facts::Account(_) => "Order desk".to_owned(),
            };
            assert!(mail.subject.contains(&subject), "{kind}: {}", mail.subject);
            for text in [&mail.text, &mail.html] {
                assert!(text.contains(&subject) && text.contains("Order desk"), "{kind}: {text}");
                assert!(!text.contains("{{") && !text.contains("none"), "{kind}: {text}");
            }
            assert!(!mail.text.contains("\n\n\n") && !mail.text.contains('<'), "{kind}: {}", mail.text);
            let html = mail.html.replace("href=\"https:&#x2f;&#x2f;shop.example", "");
            assert!(!html.contains("<img") && !html.contains("http"), "{kind}: nothing is fetched");
        }
    }
}

#[test]
fn an_order_has_its_lines_total_address_and_status_in_both_parts() {
    let placed = order(Kind::OrderPlaced, |facts| facts.order.payment = None);
    let mail = templates().mail(Kind::OrderPlaced, &placed).unwrap();
    for part in ["Wireless Mouse", "29.99", "89.97", "London", "Received", "Ada Lovelace"] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
        assert!(mail.html.contains(part), "{part}: {}", mail.html);
    }
    assert!(mail.html.contains("12 St James&#x27;s Square<br>London"), "{}", mail.html);
    let cancelled = templates().mail(Kind::OrderCancelled, &samples(Kind::OrderCancelled)[0]).unwrap();
    assert!(cancelled.text.contains("changed their mind") && cancelled.html.contains("changed their mind"));
}

#[test]
fn a_message_about_money_says_how_much() {
    for kind in order_kinds().filter(|kind| kind.is_about_money()) {
        let facts = samples(kind).remove(0);
        let mail = templates().mail(kind, &facts).unwrap();
        assert!(mail.text.contains("89.97 INR") && mail.html.contains("89.97 INR"), "{kind}: {}", mail.text);
        assert!(kind == Kind::PaymentFailed || templates().sms(kind, &facts).unwrap().contains("89.97 INR"), "{kind}");
    }
}

/// What was refunded, of an order that costs 89.97: text, HTML and SMS.
fn refunded(change: impl Fn(&mut MoneyFacts)) -> [String; 3] {
    let facts = order(Kind::OrderRefunded, |facts| facts.money.iter_mut().for_each(&change));
    let mail = templates().mail(Kind::OrderRefunded, &facts).unwrap();
    [mail.text, mail.html, templates().sms(Kind::OrderRefunded, &facts).unwrap()]
}

#[test]
fn a_part_refund_is_not_called_a_refund_of_all() {
    let three = |money: &mut MoneyFacts| money.amount = rust_decimal::Decimal::new(300, 2).into();
    let [text, html, sms] = refunded(three);
    assert!(text.contains("Status: Partly refunded") && text.contains("3.00 INR of the total of 89.97 INR"), "{text}");
    assert!(html.contains(">Partly refunded<") && html.contains("3.00 INR of the total of 89.97 INR"), "{html}");
    assert!(html.contains("a part of your money") && sms.contains("3.00 INR of 89.97 INR"), "{sms}");
    for change in [|_: &mut MoneyFacts| {}, |money: &mut MoneyFacts| money.is_rest = true] {
        let [text, html, sms] = refunded(change);
        assert!(text.contains("Status: Refunded") && html.contains(">Refunded<"), "{text}");
        assert!(!html.contains("a part of") && !sms.contains(" of "), "{html} {sms}");
    }
    let [text, ..] = refunded(|money| {
        three(money);
        money.is_rest = true;
    });
    assert!(text.contains("Status: Refunded"), "a part went back before, and this is the rest: {text}");
}

#[test]
fn no_bank_is_named_where_money_is_handed_back_by_hand() {
    let [by_bank, ..] = refunded(|_| {});
    assert!(by_bank.contains("Your bank may take some days"), "{by_bank}");
    let at_the_door = refunded(|money| money.at_the_door = true);
    assert!(at_the_door.iter().all(|text| !text.contains("bank")), "{at_the_door:?}");
}

#[test]
fn an_order_that_must_be_paid_first_says_how_much_and_until_when() {
    let kind = Kind::OrderPlaced;
    let [due, without] = [|_: &mut OrderFacts| {}, |facts: &mut OrderFacts| facts.order.payment = None].map(|change| {
        let facts = order(kind, change);
        let mail = templates().mail(kind, &facts).unwrap();
        [mail.text, mail.html, templates().sms(kind, &facts).unwrap()]
    });
    for part in &due {
        assert!(part.contains("89.97 INR by 2026-11-27 15:42 UTC") && part.contains("cancelled"), "{part}");
    }
    assert!(due[0].contains("Status: To be paid") && due[1].contains(">To be paid<"), "{}", due[0]);
    assert!(without.iter().all(|part| !part.contains("UTC") && !part.contains("cancelled")), "{without:?}");
    assert!(without[0].contains("Status: Received"), "{}", without[0]);
}

#[test]
fn an_order_that_is_cancelled_says_what_becomes_of_the_money() {
    let told = |status: &str, method: &str| {
        let facts = order(Kind::OrderCancelled, |facts| {
            facts.order.payment = facts.order.payment.take().map(|payment| {
                let (status, method) = (status.to_owned(), method.to_owned());
                ToldPayment { status, method, ..payment }
            });
        });
        let mail = templates().mail(Kind::OrderCancelled, &facts).unwrap();
        [mail.text, mail.html, templates().sms(Kind::OrderCancelled, &facts).unwrap()]
    };
    let [text, html, sms] = told("PAID", "CARD");
    let goes_back = "What you paid goes back to you; we write again when it is on its way.";
    assert!(
        text.contains(goes_back) && html.contains(goes_back) && sms.contains("What you paid goes back"),
        "{text} {sms}"
    );
    let [text, html, sms] = told("PAID", "CASH_ON_DELIVERY");
    let by_hand = "We hand back to you what you paid, and write again when that is done.";
    assert!(
        text.contains(by_hand) && html.contains(by_hand) && sms.contains("We hand back what you paid"),
        "{text} {sms}"
    );
    let [text, html, sms] = told("PART_REFUNDED", "UPI");
    assert!([text, html, sms].iter().all(|text| text.contains("The rest of what you paid goes back")));
    assert!(told("DUE", "CARD").iter().all(|text| !text.contains("you paid")), "nothing was taken");
}

#[test]
fn what_the_shop_says_of_the_way_stands_in_the_message() {
    let facts = order(Kind::OrderShipped, |facts| facts.order.reason = Some("By DHL 123".to_owned()));
    let mail = templates().mail(Kind::OrderShipped, &facts).unwrap();
    for part in [mail.text, mail.html, templates().sms(Kind::OrderShipped, &facts).unwrap()] {
        assert!(part.contains("By DHL 123"), "{part}");
    }
}

#[test]
fn an_order_that_was_never_placed_is_offered_to_no_account() {
    let mail = templates().mail(Kind::PlacementGivenUp, &samples(Kind::PlacementGivenUp)[0]).unwrap();
    assert!(!mail.text.contains("account") && !mail.html.contains("in an account"), "{}", mail.text);
}

#[test]
fn markup_in_values_stays_text() {
    let hostile = r#"<script>alert(1)</script>"><img src=x onerror=alert(1)> {{ shop }} & 'co'"#;
    for kind in order_kinds() {
        let facts = order(kind, |OrderFacts { order, .. }| {
            order.customer_name = hostile.to_owned();
            order.shipping_address = hostile.to_owned();
            order.reason = Some(hostile.to_owned());
            order.items[0].product_name = Some(hostile.to_owned());
        });
        let mail = templates().mail(kind, &facts).unwrap();
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{kind}: {}", mail.html);
        assert!(mail.html.contains("&lt;script&gt;"), "{kind}");
        assert!(mail.text.contains("{{ shop }}"), "{kind}: what a customer wrote is no template");
    }
}

#[test]
fn line_breaks_and_turned_text_in_values_are_taken_out() {
    for kind in order_kinds() {
        let facts = order(kind, |OrderFacts { order, .. }| {
            order.reason = Some("late\r\nBcc: everybody@example.com".to_owned());
            order.customer_name = "Ada\r\nBcc: eve@example.com\r\n\r\n<b>\u{202e}evil\u{0}\u{85}\u{2028}x".to_owned();
        });
        let mail = templates().mail(kind, &facts).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']), "{kind}: {:?}", mail.subject);
        assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{kind}: {}", mail.text);
        assert!(mail.text.contains("Ada Bcc: eve@example.com <b>evil x"), "{kind}: {}", mail.text);
        assert!(!mail.html.contains(['\u{202e}', '\0']), "{kind}");
        assert!(!templates().sms(kind, &facts).unwrap().contains(['\r', '\n']), "{kind}");
    }
}

#[test]
fn long_and_colourful_values_come_through_whole() {
    for name in ["N".repeat(300), "👩‍🚀🎉".repeat(60), "ع".repeat(300), "x ".repeat(150).trim().to_owned()] {
        for kind in order_kinds() {
            let facts = order(kind, |facts| facts.order.customer_name = name.clone());
            let mail = templates().mail(kind, &facts).unwrap();
            assert!(mail.text.contains(&name) && mail.html.contains(&name), "{kind}");
        }
    }
}

#[test]
fn an_sms_is_one_segment_also_with_the_longest_values() {
    let reasons = ["", "short", "Größe passt nicht", &"a very long reason ".repeat(30), &"причина ".repeat(40), "😀"];
    for kind in order_kinds() {
        for reason in reasons {
            let facts = order(kind, |OrderFacts { order, money, .. }| {
                order.order_id = OrderId(i64::MAX);
                order.customer_name = "😀".repeat(100);
                order.total_amount = Some("9999999999999999999999.99".parse::<rust_decimal::Decimal>().unwrap().into());
                order.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
                if let Some(payment) = &mut order.payment {
                    payment.amount = "9999999999999999999999.99".parse::<rust_decimal::Decimal>().unwrap().into();
                }
                if let Some(money) = money {
                    money.amount = "9999999999999999999999.99".parse::<rust_decimal::Decimal>().unwrap().into();
                }
            });
            let text = templates().sms(kind, &facts).unwrap();
            // A reason that is not in the alphabet may stay where the shorter segment holds it.
            assert!(
                fits(&text) && (is_gsm(&text) || !is_gsm(reason)),
                "{kind}: {} characters: {text}",
                text.chars().count()
            );
            assert!(text.contains(&i64::MAX.to_string()), "{kind}: {text}");
        }
    }
    let facts = order(Kind::OrderCancelled, |facts| facts.order.reason = Some("too late, ".repeat(50)));
    let cut = templates().sms(Kind::OrderCancelled, &facts).unwrap();
    assert!(cut.contains("Reason: too late") && cut.ends_with("..."), "{cut}");
    assert!(cut.chars().count() > 150, "as much of it as fits: {cut}");
}

/// About an account, of a person of this name.
fn account(kind: Kind, name: &str) -> Facts {
    let Facts::Account(facts) = samples(kind).remove(0) else { panic!("{kind}") };
    Facts::Account(AccountFacts { name: Some(name.to_owned()), ..facts })
}

#[test]
fn a_code_stands_in_both_parts_of_its_mail_and_in_no_other() {
    for kind in [Kind::VerifyAddress, Kind::ResetPassword] {
        let mail = templates().mail(kind, &account(kind, "Ada")).unwrap();
        for part in [&mail.text, &mail.html] {
            assert!(part.contains("7K2M-Q9XB") && part.contains("Hello Ada,"), "{kind}: {part}");
            assert!(part.contains("ada@example.com") && part.contains("an account"), "{kind}: {part}");
        }
        assert!(!mail.subject.contains("7K2M"), "telephones show subjects while they are locked");
        let hidden = templates().mail(kind, &account(kind, "Ada").with_code(Code::hidden())).unwrap();
        assert!(hidden.text.contains("•••••••") && !hidden.text.contains("7K2M"), "{kind}: {}", hidden.text);
    }
    for kind in [Kind::Welcome, Kind::AccountExists, Kind::PasswordChanged] {
        let facts = account(kind, "Ada").with_code(Code::new("7K2M-Q9XB".to_owned()));
        assert!(!templates().mail(kind, &facts).unwrap().text.contains("7K2M"), "{kind}");
        assert!(templates().mail(kind, &samples(kind)[1]).unwrap().text.starts_with("Hello, "), "{kind}");
    }
}

#[test]
fn a_name_of_an_account_stays_text() {
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.about() == About::Account) {
        let mail = templates().mail(kind, &account(kind, "<b>Ada\r\nBcc: eve@example.com {{ shop }}")).unwrap();
        assert!(mail.html.contains("&lt;b&gt;Ada Bcc:") && mail.text.contains("{{ shop }}"), "{kind}");
        assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{kind}: {}", mail.text);
    }
}

#[test]
fn nobody_gets_an_sms_about_stock_or_accounts() {
    for kind in [Kind::StockLow, Kind::StockReleased, Kind::VerifyAddress] {
        assert!(templates().sms(kind, &samples(kind)[0]).is_err());
    }
}

/// A folder of its own with one file in it.
struct Folder(PathBuf);

impl Folder {
    fn with(test: &str, file: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("templates-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
        Self(folder)
    }

    fn load(&self) -> Result<MessageTemplates, String> {
        load(&["--notification-templates", self.0.to_str().unwrap(), "--mail-from-name", "Kafka & Sons"])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_the_folder_takes_the_place_of_the_one_built_in() {
    let text = "Subject: Danke, {{ order.number }}\n\nHallo {{ order.customer_name }}, {{ shop }} dankt.\n";
    let folder = Folder::with("replaced", "order-placed.txt", text);
    std::fs::write(folder.0.join(".hidden"), "{{").unwrap();
    let templates = folder.load().unwrap();
    let mail = templates.mail(Kind::OrderPlaced, &samples(Kind::OrderPlaced)[0]).unwrap();
    assert_eq!(mail.subject, "Danke, ORD-00000042");
    assert_eq!(mail.text, "\nHallo Ada Lovelace, Kafka & Sons dankt.\n".trim_start());
    assert!(mail.html.contains("Kafka &amp; Sons"), "the others stay as they are");
}

#[test]
fn a_template_that_cannot_be_used_is_refused_with_its_file_and_line() {
    for (test, file, text, wanted) in [
        ("syntax", "order-shipped.html", "<p>\n{% if %}\n</p>", "order-shipped.html, line 2"),
        ("typo", "order-shipped.html", "<p>\n\n{{ order.nubmer }}</p>", "order-shipped.html, line 3"),
        ("partial", "order.html", "a\n{{ order.lines.0.prize }}", "order.html, line 2"),
        ("none", "order-cancelled.sms.txt", "{{ order.reason.missing }}", "order-cancelled.sms.txt, line 1"),
        ("subject", "stock-low.txt", "Hello\n", "stock-low.txt, line 1"),
        ("unknown", "order-palced.txt", "Subject: x\n", "order-palced.txt: there is no template of this name"),
    ] {
        let error = Folder::with(test, file, text).load().unwrap_err();
        assert!(error.starts_with("NOTIFICATION_TEMPLATES: ") && error.contains(wanted), "{test}: {error}");
    }
    let error = load(&["--notification-templates", "/nowhere/at/all"]).unwrap_err();
    assert!(error.contains("/nowhere/at/all"), "{error}");
}

#[test]
fn all_files_of_the_folder_are_built_in() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, built_in::TEMPLATES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let mails = built_in::TEMPLATES.iter().filter(|(_, text)| text.starts_with(SUBJECT));
    assert_eq!(mails.count(), Kind::ALL.len());
}
