//! E-mails as a person meets them: in a real browser, on a telephone and on a desk, by day and by night.
//!
//! Pictures of all of them are left in `target/tmp/mails`.

use clap::Parser;
use e2e::browser::Browser;
use order_service::config::Config;
use order_service::notifications::{
    AccountFacts, Code, Facts, GuestFacts, Kind, LineFacts, MessageTemplates, MoneyFacts, OrderFacts, StockFacts,
};
use rust_decimal::Decimal;
use shared_types::{Money, OrderId, ProductId};
use std::path::{Path, PathBuf};

fn money(cents: i64) -> Money {
    Money::from(Decimal::new(cents, 2))
}

fn line(product: i64, name: &str, quantity: i32, cents: i64) -> LineFacts {
    LineFacts {
        product_id: ProductId(product),
        name: Some(name.to_owned()),
        quantity,
        price: Some(money(cents)),
        subtotal: Some(money(cents).times(quantity)),
    }
}

fn guest() -> Option<GuestFacts> {
    let link = Some(format!("https://shop.example/api/orders/guest/{}", "A".repeat(60)));
    Some(GuestFacts { order: OrderId(42), link, code: Code::new("7K2M-Q9XB".to_owned()) })
}

fn usual(kind: Kind) -> Facts {
    if matches!(kind, Kind::StockLow | Kind::StockReplenished) {
        let sku = "MOUSE-001".to_owned();
        let stock_quantity = if kind == Kind::StockLow { 9 } else { 120 };
        return Facts::Stock(StockFacts { product_id: ProductId(2), sku, stock_quantity, low_stock_threshold: 10 });
    }
    if let Some(code) = match kind {
        Kind::VerifyAddress | Kind::ResetPassword => Some(Some(Code::new("7K2M-Q9XB".to_owned()))),
        Kind::Welcome | Kind::AccountExists | Kind::PasswordChanged => Some(None),
        _ => None,
    } {
        let (name, email) = (Some("Ada Lovelace".to_owned()), "ada@example.com".to_owned());
        return Facts::Account(AccountFacts { name, email, code });
    }
    let lines = vec![
        line(1, "Laptop Pro 15\"", 1, 249_999),
        line(2, "Wireless Mouse", 3, 2999),
        line(3, "Mechanical Keyboard with a rather long name, black, US layout", 2, 14_999),
    ];
    Facts::Order(OrderFacts {
        number: "ORD-00000042".to_owned(),
        customer_name: "Ada Lovelace".to_owned(),
        shipping_address: "12 St James's Square\nLondon SW1Y 4JH\nUnited Kingdom".to_owned(),
        note: Some("Please ring twice".to_owned()),
        total: Some(money(288_994)),
        lines,
        reason: Some("The keyboard is no longer made.".to_owned()),
        guest: guest(),
        money: kind.is_about_money().then(|| MoneyFacts { amount: money(288_994), currency: "INR".to_owned() }),
    })
}

fn hostile() -> Facts {
    let name = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">";
    let many = (1..=20).map(|product| line(product, &"W".repeat(255), i32::MAX, 999_999_999_999));
    let mut lines: Vec<LineFacts> = many.collect();
    lines.push(line(21, &"👩‍🚀🎉".repeat(40), 1, 1));
    Facts::Order(OrderFacts {
        number: format!("ORD-{}", i64::MAX),
        customer_name: name.repeat(3),
        shipping_address: "x".repeat(1000),
        note: Some(name.repeat(3)),
        total: Some("9999999999999999999999.99".parse::<Decimal>().unwrap().into()),
        lines,
        reason: Some(name.to_owned()),
        guest: guest(),
        money: None,
    })
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
        let html = templates.mail(kind, &hostile()).unwrap().html;
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
