//! Swagger UI as a person meets it: opened in a real browser, and an order placed from it.

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
