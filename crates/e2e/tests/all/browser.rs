//! Pages as a person meets them, in a real browser: the status page, and Swagger UI, from which an order is placed.

use e2e::browser::Browser;
use e2e::environment::{Environment, folder_of_test};
use e2e::samples::int;
use e2e::shop::Shop;

fn start() -> Browser {
    Browser::start(&folder_of_test(Environment::get()))
}

#[tokio::test]
async fn swagger_ui_shows_every_operation() {
    let shop = Shop::plan().without_broker().open().await;
    let mut browser = start();
    for client in [shop.orders(), shop.inventory()] {
        let document = client.get("/api-docs/openapi.json").await.is(200).json();
        let items = document["paths"].as_object().unwrap().values();
        let operations: usize = items.map(|item| item.as_object().unwrap().len()).sum();
        browser.open(&format!("{}/swagger-ui/", client.base()));
        let all = format!("document.querySelectorAll('.opblock').length === {operations}");
        browser.wait_for("every operation", &all);
        let title = browser.evaluate("document.querySelector('.info .title').innerText");
        let named = document["info"]["title"].as_str().unwrap();
        assert!(title.as_str().unwrap().contains(named), "{title}");
        assert_eq!(browser.complaints(), &[] as &[String]);
    }
}

#[tokio::test]
async fn an_order_is_placed_by_try_it_out() {
    let shop = Shop::open().await;
    let mut browser = start();
    browser.open(&format!("{}/swagger-ui/index.html", shop.orders().base()));
    // The id of a block ends in the operation's; the path tells it from the other POSTs.
    let find = "(() => {
        const blocks = [...document.querySelectorAll('.opblock-post')];
        const place = blocks.find(it => it.querySelector('[data-path=\"/api/orders\"]'));
        return place ? place.id : null;
    })()";
    let block = browser.wait_for("POST /api/orders", find);
    let inside = |selector: &str| format!("[id='{}'] {selector}", block.as_str().unwrap());
    browser.click("the operation", &inside(".opblock-summary-control"));
    browser.click("the button Execute", &inside("button.execute"));
    let status = inside(".live-responses-table tr.response .response-col_status");
    let answered = browser.wait_for("the answer", &format!("document.querySelector(`{status}`)?.innerText"));
    assert!(answered.as_str().unwrap().starts_with("201"), "{answered}");
    assert_eq!(browser.complaints(), &[] as &[String]);
    let orders = shop.orders().get("/api/orders").await.is(200).array();
    assert_eq!(orders.len(), 1);
    shop.order_becomes(int(&orders[0]["id"]), "CONFIRMED").await;
    shop.assert_invariants().await;
}

#[tokio::test]
async fn the_status_page_can_be_read_on_a_telephone_and_on_a_desk() {
    let shop = Shop::plan().without_broker().open().await;
    let mut browser = start();
    for client in [shop.orders(), shop.inventory()] {
        let (_, port) = client.base().rsplit_once(':').unwrap();
        for (width, height) in [(375, 812), (1280, 800)] {
            for dark in [false, true] {
                browser.screen(width, height, dark);
                browser.open(&format!("{}/", client.base()));
                browser.wait_for(
                    "the style sheet",
                    "document.styleSheets.length === 1 && document.querySelector('.state')",
                );
                let overflow = browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
                assert_eq!(overflow, 0, "{width} pixels are not enough");
                let smallest = "Math.min(...[...document.querySelectorAll('main *')]
                    .map(it => parseFloat(getComputedStyle(it).fontSize)))";
                assert!(browser.evaluate(smallest).as_f64().unwrap() >= 14.0);
                let light = if dark { "dark" } else { "light" };
                let picture = format!("status-{port}-{width}-{light}.png");
                browser.picture(&folder_of_test(Environment::get()).join(picture));
            }
        }
    }
    assert_eq!(browser.complaints(), &[] as &[String]);
}
