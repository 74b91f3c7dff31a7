//! Instances are restarted in turn behind the gateway, and no client notices.

use super::clients::Clients;
use e2e::shop::Shop;

#[tokio::test]
async fn a_rolling_restart_behind_it_loses_no_request() {
    let mut shop = Shop::plan().without_broker().pairs(2).behind_a_gateway().open().await;
    let (_gateway, client) = shop.gateway();
    let clients = Clients::of(&shop, &client).await;
    for number in [0, 1] {
        clients.are_served().await;
        // Order-service asks the inventory-service of its number, so it goes first and comes back last.
        let order_service = &mut shop.order_services[number];
        order_service.ask_to_end();
        assert!(order_service.ended().await.success());
        for service in [&mut shop.inventory_services[number], &mut shop.account_services[number]] {
            service.ask_to_end();
            assert!(service.ended().await.success());
            service.launch();
        }
        shop.inventory_services[number].ready_as(&["UP", "DEGRADED"]).await;
        shop.account_services[number].ready_as(&["UP", "DEGRADED"]).await;
        shop.order_services[number].start().await;
    }
    clients.are_served().await;
    clients.end(&shop).await;
}
