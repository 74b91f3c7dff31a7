//! E-mails as a person meets them: in a real browser, on a telephone and on a desk, by day and by night.
//!
//! Pictures of all of them are left in `target/tmp/mails`.

use clap::Parser;
use e2e::browser::Browser;
use order_service::config::Config;
use order_service::notifications::{Facts, Kind, MessageTemplates, samples};
use rust_decimal::Decimal;
use shared_types::events::OrderLine;
use shared_types::{Money, OrderId, ProductId};
use std::path::{Path, PathBuf};

/// The facts with everything that there can be.
fn full(kind: Kind) -> Facts {
    samples(kind).remove(0)
}

fn line(product: i64, name: &str, quantity: i32, cents: i64) -> OrderLine {
    let price = Some(Money::from(Decimal::new(cents, 2)));
    OrderLine { product_id: ProductId(product), product_name: Some(name.to_owned()), quantity, price }
}

fn usual(kind: Kind) -> Facts {
    let mut facts = full(kind);
    if let Facts::Order(facts) = &mut facts {
        facts.order.items.insert(0, line(1, "Laptop Pro 15\"", 1, 249_999));
        facts.order.items.push(line(3, "Mechanical Keyboard with a rather long name, black, US layout", 2, 14_999));
    }
    facts
}

fn hostile(kind: Kind) -> Facts {
    let Facts::Order(mut facts) = full(kind) else { panic!("{kind}") };
    let name = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">";
    let many = (1..=20).map(|product| line(product, &"W".repeat(255), i32::MAX, 999_999_999_999));
    facts.order.items = many.collect();
    facts.order.items.push(line(21, &"👩‍🚀🎉".repeat(40), 1, 1));
    facts.order.order_id = OrderId(i64::MAX);
    facts.order.customer_name = name.repeat(3);
    facts.order.shipping_address = "x".repeat(1000);
    facts.order.note = Some(name.repeat(3));
    facts.order.reason = Some(name.to_owned());
    facts.order.total_amount = Some("9999999999999999999999.99".parse::<Decimal>().unwrap().into());
    Facts::Order(facts)
}

/// Opens a mail, takes a picture, and gives how many pixels it is wider than the screen.
fn show(browser: &mut Browser, folder: &Path, name: &str, html: &str, (width, dark): (u32, bool)) -> i64 {
    let page = folder.join(format!("{name}.html"));
    std::fs::write(&page, html).unwrap();
    browser.screen(width, 900, dark);
    browser.open(&format!("file://{}", page.display()));
    browser.wait_for("the page", "document.readyState === 'complete'");
    browser.picture(&folder.join(format!("{name}-{width}{}.png", if dark { "-dark" } else { "" })));
    assert_ne!(browser.evaluate("document.title"), "broken", "{name}");
    let wider = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    wider.as_i64().unwrap()
}

#[test]
fn mails_fit_the_screens_of_telephones_and_desks() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mails");
    std::fs::create_dir_all(&folder).unwrap();
    let config = Config::parse_from(["order-service", "--mail-from-name", "Kafka & Sons"]);
    let templates = MessageTemplates::load(&config.notifications).unwrap();
    let mut browser = Browser::start(&folder);
    for &kind in Kind::ALL {
        let mail = templates.mail(kind, &usual(kind)).unwrap();
        std::fs::write(folder.join(format!("{kind}.txt")), format!("{}\n\n{}", mail.subject, mail.text)).unwrap();
        let html = mail.html;
        for screen in [(375, false), (800, false), (375, true)] {
            assert_eq!(show(&mut browser, &folder, kind.as_str(), &html, screen), 0, "{kind} on {screen:?}");
            let size = "parseFloat(getComputedStyle(document.querySelector('.card p.text')).fontSize)";
            assert!(browser.evaluate(size).as_f64().unwrap() >= 16.0, "{kind}: large enough to read");
        }
    }
    for kind in [Kind::OrderPlaced, Kind::OrderCancelled] {
        let html = templates.mail(kind, &hostile(kind)).unwrap().html;
        for screen in [(375, false), (800, false)] {
            assert_eq!(
                show(&mut browser, &folder, &format!("hostile-{kind}"), &html, screen),
                0,
                "{kind} on {screen:?}"
            );
        }
    }
    assert_eq!(browser.complaints(), &[] as &[String], "nothing is fetched, nothing runs");
}
