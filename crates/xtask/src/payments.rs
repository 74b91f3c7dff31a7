//! How orders of the development system are paid: through the sandbox, unless the environment sets up a provider.

use std::path::PathBuf;

use crate::services::ServicePorts;
use crate::workspace::Workspace;
use testbed::sandbox;

/// Settings of order-service that bring a provider of one's own. With the first of either there is no sandbox.
const OWN: [&str; 9] = [
    "STRIPE_SECRET_KEY",
    "RAZORPAY_KEY_ID",
    "STRIPE_PUBLISHABLE_KEY",
    "STRIPE_WEBHOOK_SECRETS",
    "STRIPE_URL",
    "RAZORPAY_KEY_SECRET",
    "RAZORPAY_WEBHOOK_SECRETS",
    "RAZORPAY_URL",
    "PAYMENT_ROUTES",
];

/// Whether the sandbox is started.
pub fn use_sandbox() -> bool {
    use_sandbox_where(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn use_sandbox_where(is_set: impl Fn(&str) -> bool) -> bool {
    !OWN[..2].iter().any(|name| is_set(name))
}

/// What order-service is told about its providers. Where the caller's environment says it, there is nothing to add.
pub fn for_order_service(ports: ServicePorts) -> Vec<(&'static str, String)> {
    if use_sandbox() { sandbox::pays_through(&url(ports)) } else { Vec::new() }
}

/// What the sandbox is told.
pub fn for_sandbox(workspace: &Workspace, ports: ServicePorts) -> Vec<(&'static str, String)> {
    sandbox::listens(ports.sandbox, &ledger(workspace), &format!("http://127.0.0.1:{}", ports.order))
}

/// Where the sandbox answers.
pub fn url(ports: ServicePorts) -> String {
    format!("http://127.0.0.1:{}", ports.sandbox)
}

/// The caller's own settings, by which a service that was started with others is known.
pub fn given_settings() -> Vec<(&'static str, Option<String>)> {
    OWN.into_iter().map(|name| (name, std::env::var(name).ok())).collect()
}

fn ledger(workspace: &Workspace) -> PathBuf {
    workspace.dev_folder().join("payment-sandbox.ledger")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_of_ones_own_takes_the_place_of_the_sandbox() {
        assert!(use_sandbox_where(|_| false));
        assert!(use_sandbox_where(|name| name == "STRIPE_URL"));
        assert!(!use_sandbox_where(|name| name == "STRIPE_SECRET_KEY"));
        assert!(!use_sandbox_where(|name| name == "RAZORPAY_KEY_ID"));
    }

    #[test]
    fn the_ledger_is_with_the_other_data_and_the_sandbox_knows_the_shop() {
        let workspace = Workspace { root: PathBuf::from("/shop"), target: PathBuf::new() };
        let ports = ServicePorts { order: 1, inventory: 2, account: 3, sandbox: 4, gateway: None };
        let told = for_sandbox(&workspace, ports);
        let is_told = |name: &str, value: &str| told.contains(&(name, value.to_owned()));
        assert!(is_told("LEDGER_FILE", "/shop/.run/dev/payment-sandbox.ledger"));
        assert!(is_told("PORT", "4") && is_told("WEBHOOK_URL", "http://127.0.0.1:1/api/payments/webhooks"));
        assert_eq!(url(ports), "http://127.0.0.1:4");
    }
}
