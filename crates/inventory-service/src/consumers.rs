//! What inventory-service does when it hears of an order.

pub mod orders;
