//! The services on one database and one broker, as many processes of each as are asked for: the one way in which tests,
//! chaos and the benchmark bring them up. Account-service is there only where it is asked for.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::service_process::Service;

/// Variables of a process.
pub type Variables = Vec<(String, String)>;

/// Which processes there are to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Processes of each service; each order-service asks the inventory-service of the same number.
    pub pairs: usize,
    /// The binary of order-service; without one there is inventory-service alone.
    pub order_service: Option<PathBuf>,
    /// The binary of inventory-service.
    pub inventory_service: PathBuf,
    /// The binary of account-service, where it is to be there too.
    pub account_service: Option<PathBuf>,
    /// What every process is told: where the servers are, and settings of all services.
    pub both: Variables,
    /// What order-service is told beside.
    pub order: Variables,
    /// What inventory-service is told beside.
    pub inventory: Variables,
    /// What account-service is told beside.
    pub account: Variables,
}

/// The processes of the services.
#[derive(Debug)]
pub struct Pairs {
    /// Of order-service, `order-1` and so on.
    pub orders: Vec<Service>,
    /// Of inventory-service, `inventory-1` and so on.
    pub inventory: Vec<Service>,
    /// Of account-service, `account-1` and so on.
    pub accounts: Vec<Service>,
}

impl Plan {
    /// One process of each with these binaries, on these servers.
    pub fn new(order_service: &Path, inventory_service: &Path, database_url: &str, amqp_url: &str) -> Self {
        let both = [("DATABASE_URL", database_url), ("AMQP_URL", amqp_url)];
        Self {
            pairs: 1,
            order_service: Some(order_service.to_owned()),
            inventory_service: inventory_service.to_owned(),
            account_service: None,
            both: owned(&both),
            order: owned(&[takes_payments()]),
            inventory: Variables::new(),
            account: Variables::new(),
        }
    }

    /// With the sample data.
    #[must_use]
    pub fn with_sample_data(mut self) -> Self {
        self.inventory.extend(owned(&[sample_data()]));
        self
    }

    /// With account-service, which seals its secrets under a key that everybody may know.
    #[must_use]
    pub fn with_accounts(mut self, binary: &Path) -> Self {
        self.account_service = Some(binary.to_owned());
        self.account.extend(owned(&[(MASTER_KEY, master_key()), registers_at_once()]));
        self
    }

    /// Gives the processes their ports and logs, the latter in `folder`; none is started.
    pub fn prepare(&self, folder: &Path) -> Result<Pairs> {
        let mut prepared = Pairs { orders: Vec::new(), inventory: Vec::new(), accounts: self.accounts(folder)? };
        // Every service takes the tokens that the first account-service signs, under its name.
        let accounts = prepared.accounts.first().map(|service| service.base().to_owned());
        let issuer: Vec<_> = accounts.clone().map(takes_tokens_of).into_iter().collect();
        let both = [&self.both[..], &owned(&issuer)].concat();
        for number in 1..=self.pairs {
            let variables = [&both[..], &self.inventory].concat();
            let name = format!("inventory-{number}");
            let inventory = Service::new(name, &self.inventory_service, folder, variables)?;
            if let Some(binary) = &self.order_service {
                let mut asks = vec![asks_inventory_at(inventory.base().to_owned())];
                asks.extend(accounts.clone().map(asks_accounts_at));
                let variables = [&both[..], &owned(&asks), &self.order].concat();
                prepared.orders.push(Service::new(format!("order-{number}"), binary, folder, variables)?);
            }
            prepared.inventory.push(inventory);
        }
        Ok(prepared)
    }

    fn accounts(&self, folder: &Path) -> Result<Vec<Service>> {
        let Some(binary) = &self.account_service else { return Ok(Vec::new()) };
        let variables = [&self.both[..], &self.account].concat();
        let service = |number| Service::new(format!("account-{number}"), binary, folder, variables.clone());
        let mut services = (1..=self.pairs).map(service).collect::<Result<Vec<_>>>()?;
        let issuer = services.first().map(|first| first.base().to_owned()).unwrap_or_default();
        for service in &mut services {
            service.set(ISSUER_URL, &issuer);
            let (name, value) = takes_tokens_of(issuer.clone());
            service.set(name, &value);
        }
        Ok(services)
    }

    /// [`Self::prepare`], starts all processes, and waits until each is in one of these states.
    pub fn start(&self, folder: &Path, states: &[&str]) -> Result<Pairs> {
        let mut pairs = self.prepare(folder)?;
        pairs.launch()?;
        pairs.ready_as(states)?;
        Ok(pairs)
    }
}

impl Pairs {
    /// Every process.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Service> {
        self.inventory.iter_mut().chain(&mut self.orders).chain(&mut self.accounts)
    }

    /// Starts all processes at once: no service waits for another to be there.
    pub fn launch(&mut self) -> Result<()> {
        self.all().try_for_each(Service::launch)
    }

    /// Waits until each is in one of these states.
    pub fn ready_as(&mut self, states: &[&str]) -> Result<()> {
        self.all().try_for_each(|service| service.ready_as(states))
    }
}

/// What an order-service is told of its inventory-service at this URL.
pub fn asks_inventory_at(url: String) -> (&'static str, String) {
    ("INVENTORY_SERVICE_URL", url)
}

/// What an order-service is told of the account-service at this URL.
pub fn asks_accounts_at(url: String) -> (&'static str, String) {
    ("ACCOUNT_SERVICE_URL", url)
}

/// What an inventory-service is told that is to begin with the sample data.
pub fn sample_data() -> (&'static str, String) {
    ("LOAD_SAMPLE_DATA", "true".to_owned())
}

/// The variable with the key under which account-service seals its secrets.
pub const MASTER_KEY: &str = "ACCOUNT_MASTER_KEY";

/// A key that everybody may know.
pub fn master_key() -> String {
    format!("{}=", "A".repeat(43))
}

/// The variable with the name that an account-service has in its tokens.
const ISSUER_URL: &str = "ISSUER_URL";

/// What an order-service is told whose orders can ask to be paid.
pub fn takes_payments() -> (&'static str, String) {
    ("SHOP_CURRENCY", "INR".to_owned())
}

/// What a service is told that is to take the tokens of the issuer at this URL.
pub fn takes_tokens_of(issuer: String) -> (&'static str, String) {
    ("AUTH_ISSUER", issuer)
}

/// What an account-service is told that is to let people in without a code by e-mail.
pub fn registers_at_once() -> (&'static str, String) {
    ("REGISTRATION", "immediate".to_owned())
}

/// Variables out of names and values.
pub fn owned<V: Into<String> + Clone>(variables: &[(&str, V)]) -> Variables {
    variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_service_asks_the_inventory_service_of_its_number() {
        let plan = Plan { pairs: 2, ..Plan::new(Path::new("order"), Path::new("inventory"), "postgres:", "amqp:") };
        let pairs = plan.prepare(&std::env::temp_dir()).unwrap();
        assert_eq!(pairs.orders[1].name(), "order-2");
        assert_ne!(pairs.inventory[0].base(), pairs.inventory[1].base());
        let alone = Plan { order_service: None, ..plan }.prepare(&std::env::temp_dir()).unwrap();
        assert_eq!((alone.orders.len(), alone.inventory.len(), alone.accounts.len()), (0, 2, 0));
    }

    #[test]
    fn account_service_is_there_where_it_is_asked_for() {
        let plan = Plan::new(Path::new("order"), Path::new("inventory"), "postgres:", "amqp:");
        let pairs = plan.with_accounts(Path::new("account")).prepare(&std::env::temp_dir()).unwrap();
        assert_eq!(pairs.accounts[0].name(), "account-1");
        assert_eq!(pairs.accounts[0].environment("REGISTRATION").as_deref(), Some("immediate"));
        for service in pairs.orders.iter().chain(&pairs.inventory).chain(&pairs.accounts) {
            assert_eq!(service.environment("AUTH_ISSUER").as_deref(), Some(pairs.accounts[0].base()));
        }
        let asked = pairs.orders[0].environment("ACCOUNT_SERVICE_URL");
        assert_eq!(asked.as_deref(), Some(pairs.accounts[0].base()));
    }
}
