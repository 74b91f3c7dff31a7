//! The load: clients in closed loops, each of which remembers every definite answer.

mod browsing;
mod charging;
mod customers;
mod keyed;
mod paying;
mod people;
mod placing;
mod stock;
mod upkeep;

pub use keyed::Settled;
pub use people::Person;
pub use stock::make_definite;

use crate::error::ChaosError;
use crate::figures::Kind;
use crate::history::{Product, SharedHistory};
use crate::operations::{self, Operation, Step};
use crate::requests::{self, Request, Verdict, label, verdict};
use crate::stage::Stage;
use charging::Due;
use payment_sandbox::Sandbox;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use verify::records::Order;

/// Which service a request is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    Orders,
    Inventory,
    Accounts,
}

/// One client of the shop.
#[derive(Clone, Debug)]
pub struct ChaosClient {
    number: usize,
    http: reqwest::Client,
    orders: Vec<String>,
    inventory: Vec<String>,
    accounts: Vec<String>,
    /// Who asks; without one the client is a program of the shop's own machine, which needs no token.
    person: Option<Person>,
    products: Vec<Product>,
    history: SharedHistory,
    stop: CancellationToken,
    asked: usize,
    /// The process asked next; each attempt goes on to the other one.
    process: usize,
    /// Orders as they were answered.
    known: Vec<Order>,
    /// Payments of which money was taken, or may have been.
    paid: Vec<i64>,
    /// How often a part of each was given back, or tried to.
    parts: HashMap<i64, usize>,
    /// Payments of its orders that were to be paid first.
    due: Vec<Due>,
    /// The payment providers, as customers meet them.
    sandbox: Arc<Sandbox>,
}

impl ChaosClient {
    /// A client; `stop` is when everything is up again and nothing new is to be begun.
    pub fn new(
        number: usize,
        stage: &Stage,
        history: &SharedHistory,
        stop: CancellationToken,
    ) -> Result<Self, ChaosError> {
        let bases = |processes: &[crate::stage::Running]| processes.iter().map(|it| it.base.clone()).collect();
        Ok(Self {
            number,
            http: requests::client(stage.keeps_connections).map_err(ChaosError::Client)?,
            orders: bases(&stage.orders),
            inventory: bases(&stage.inventory),
            accounts: bases(&stage.accounts),
            person: None,
            products: history.lock().products.clone(),
            history: history.clone(),
            stop,
            asked: 0,
            process: 0,
            known: Vec::new(),
            paid: Vec::new(),
            parts: HashMap::new(),
            due: Vec::new(),
            sandbox: stage.sandbox.clone(),
        })
    }

    /// The same client, which calls the gateways where there are any.
    #[must_use]
    pub fn through_gateways(self, stage: &Stage) -> Self {
        if stage.gateways.is_empty() {
            return self;
        }
        let gateways = || stage.gateways.clone();
        Self { orders: gateways(), inventory: gateways(), accounts: gateways(), ..self }
    }

    /// The same client, which asks this process of order-service alone.
    #[must_use]
    pub fn of_order_service(self, stage: &Stage, index: usize) -> Self {
        Self { orders: vec![stage.orders[index].base.clone()], ..self }
    }

    /// Works through its stream of choices until it is stopped.
    pub async fn run(mut self, seed: u64) {
        let mut rng = operations::stream(seed, self.number);
        loop {
            let Step { operation, process, think } = operations::next(&mut rng);
            if self.stop.run_until_cancelled(tokio::time::sleep(think)).await.is_none() {
                return;
            }
            self.process = process;
            self.perform(operation).await;
        }
    }

    async fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Place(lines) => {
                self.place(&lines).await;
            }
            Operation::PlaceAtWrongTotal(lines) => self.place_at_wrong_total(&lines).await,
            Operation::Release => self.release().await,
            Operation::PlaceKeyed { lines, later, manner, repeat, other_body } => {
                self.place_keyed(&lines, later, manner, repeat, other_body).await;
            }
            Operation::Cancel { pick } => self.cancel(pick).await,
            Operation::Move { pick, to } => self.move_on(pick, to).await,
            Operation::ChangeStock { product, delta, manner, repeat } => {
                self.change_stock(product, delta, manner, repeat).await;
            }
            Operation::Pay { pick } => self.pay(pick).await,
            Operation::Charge { pick, way } => self.charge(pick, way).await,
            Operation::Refund { pick } => self.refund(pick).await,
            Operation::Read { pick } => self.read(pick).await,
            Operation::Browse { pick } => self.browse(pick).await,
            Operation::BadInput { pick } => self.send_bad_input(pick).await,
        }
    }

    /// A name that no other request of the run has.
    fn token(&mut self) -> String {
        self.asked += 1;
        format!("c{}-{}", self.number, self.asked)
    }

    fn bases(&self, side: Side) -> &[String] {
        match side {
            Side::Orders => &self.orders,
            Side::Inventory => &self.inventory,
            Side::Accounts => &self.accounts,
        }
    }

    /// One attempt; where a process has no connection to give, the other one is asked.
    async fn attempt(&mut self, kind: Kind, side: Side, request: &Request, expected: &[u16]) -> Verdict {
        let request = self.signed(request);
        let mut taken = Verdict::NotSent;
        for _ in 0..self.bases(side).len() {
            let bases = self.bases(side);
            let base = bases[self.process % bases.len()].clone();
            self.process += 1;
            let attempt = request.send(&self.http, &base).await;
            taken = self.about_token(&request, &attempt).unwrap_or_else(|| verdict(&attempt, expected));
            let success = matches!(&taken, Verdict::Definite(answer) if answer.status < 300);
            let definite = matches!(taken, Verdict::Definite(_));
            let mut history = self.history.lock();
            history.figures.called(side, &request.method, &request.path);
            history.figures.tried(kind, label(&attempt), definite, success);
            if let Verdict::Wrong(what) = &taken {
                history.found(format!("{} ({} {base}{}) answered {what}", kind.name(), request.method, request.path));
            }
            if taken != Verdict::NotSent {
                break;
            }
        }
        taken
    }
}
