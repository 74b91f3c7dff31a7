//! The rush goes on after the product is sold out: refusing must be cheap, and leave no trace.

use super::placing::Placing;
use super::{CONNECTIONS, finish, hot};
use crate::Bench;
use crate::database::Database;
use crate::error::Result;
use crate::figures::{Figure, Goal};
use crate::load::requests::{Orders, SOLD_OUT, Way};
use crate::measure::{Load, measure};
use crate::report::ScenarioReport;
use crate::scenario::Scenario;
use crate::shop::Shop;

/// Measures it.
pub async fn run(bench: &Bench) -> Result<ScenarioReport> {
    let shop = Shop::open(&bench.stage, "sold-out", 1).await?;
    let mut outcome = ScenarioReport::of(Scenario::SoldOut);
    let (name, connections) = ("ordering what is sold out", CONNECTIONS);
    let placing =
        Placing { name, orders: Orders::Of(SOLD_OUT), way: Way::Plain, connections, seconds: bench.settings.seconds };
    let before = rows(&shop.database).await?;
    placing.load(&shop, bench.warm_up_seconds())?.run().await?;
    let load = measure(&shop, name, placing.load(&shop, placing.seconds)?.run()).await?;
    let figure = Figure::new("refusals (409)", load.answers.per_second(), "/s");
    let placed = bench.found(Scenario::Hot, hot::RATE);
    outcome.figures.push(figure.against(hot::RATE, placed).wanted(Goal::AtLeast(3.0)));
    outcome.wrong.extend(other_than_refused(&load));
    outcome.loads.push(load);
    let more = rows(&shop.database).await? - before;
    if more != 0.0 {
        outcome.wrong.push(format!("{more} rows were written by refusals"));
    }
    finish(bench, shop, outcome).await
}

/// What is wrong where every answer should have been 409.
fn other_than_refused(load: &Load) -> Vec<String> {
    let answers = &load.answers;
    let all = answers.requests > 0 && answers.refused == answers.requests && answers.unanswered == 0;
    if all && load.statuses.keys().all(|status| status == "409") {
        return Vec::new();
    }
    let (refused, requests, unanswered) = (answers.refused, answers.requests, answers.unanswered);
    vec![format!("{refused} of {requests} refused, {unanswered} without an answer: {:?}", load.statuses)]
}

/// Rows in all tables of both services.
async fn rows(database: &Database) -> Result<f64> {
    let each = "SELECT string_agg(format('SELECT count(*) AS n FROM %I.%I', schemaname, tablename), ' UNION ALL ')
                FROM pg_tables WHERE schemaname IN ('orders', 'inventory')";
    let each = database.run(each).await?;
    database.number(&format!("SELECT sum(n) FROM ({each}) AS counts")).await
}

#[cfg(test)]
mod tests {
    use super::other_than_refused;
    use crate::load::Answers;
    use crate::measure::Load;

    fn load(requests: u64, refused: u64, statuses: &[&str]) -> Load {
        Load {
            name: "made up".to_owned(),
            answers: Answers { requests, refused, ..Answers::default() },
            statuses: statuses.iter().map(|status| ((*status).to_owned(), 1)).collect(),
            ..Load::default()
        }
    }

    #[test]
    fn every_answer_is_409_or_it_is_wrong() {
        assert!(other_than_refused(&load(9, 9, &["409"])).is_empty());
        assert_eq!(other_than_refused(&load(9, 8, &["201", "409"])).len(), 1);
        assert_eq!(other_than_refused(&load(9, 9, &["409", "503"])).len(), 1);
        assert_eq!(other_than_refused(&load(0, 0, &[])).len(), 1);
    }
}
