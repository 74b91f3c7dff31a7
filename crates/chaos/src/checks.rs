//! What must hold at the end. Each check is a pure function of what was asked, what is there and what was heard.

pub mod bank;
pub mod books;
pub mod dead_letters;
pub mod events;
pub mod kept;
pub mod money;
pub mod once;
pub mod owners;
pub mod timelines;
pub mod tokens;

use crate::history::History;
use crate::listener::Heard;
use crate::observed::Observed;

/// The check that finds what was answered and is lost.
pub const KEPT: &str = "answered orders are kept";

/// The check that finds what was done twice.
pub const ONCE: &str = "nothing twice, nothing unasked";

/// The outcome of one check.
#[derive(Clone, Debug)]
pub struct Checked {
    pub name: &'static str,
    /// What does not hold.
    pub findings: Vec<String>,
}

/// Every check that needs nothing but its arguments.
pub fn all(history: &History, observed: &Observed, heard: &Heard) -> Vec<Checked> {
    let checked = |name, findings| Checked { name, findings };
    vec![
        checked("answers and processes", history.findings.clone()),
        checked(KEPT, kept::check(history, observed)),
        checked(ONCE, once::check(history, observed)),
        checked("stock adds up", bank::check(history, observed)),
        checked("money moves once", money::check(history, observed)),
        checked("the providers' books are ours", books::check(history, observed)),
        checked("timelines", timelines::check(history, observed)),
        checked("every change was announced", events::check(observed, heard)),
        checked("dead letters", dead_letters::check(observed)),
        checked("orders are their customers'", owners::check(history, observed)),
        checked("tokens", tokens::check(&history.figures)),
        checked("accounts", observed.account_breaches.clone()),
    ]
}

#[cfg(test)]
mod tests {
    pub mod made_up;
}
