//! What can go wrong between a shop and its provider.

use std::collections::VecDeque;
use std::time::Duration;

/// One fault, of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Takes the request, does nothing, and never answers.
    SilenceBefore,
    /// Does what is asked and never answers.
    SilenceAfter,
    /// 500, and nothing was done. The key keeps it.
    Error,
    /// 500, although it was done. The key keeps it.
    ErrorAfter,
    /// 429 with `Retry-After`.
    TooMany,
    /// Answers after this long.
    Slow(Duration),
    /// Answers with another amount than the one that is kept.
    WrongAmount,
    /// Half of the answer.
    Cut,
}

/// The faults to come: of the next calls whose `METHOD /path` begin so.
#[derive(Clone, Debug, Default)]
pub struct Faults(VecDeque<(String, Fault)>);

impl Faults {
    /// The next such call meets this fault.
    pub fn plan(&mut self, call: &str, fault: Fault) {
        self.0.push_back((call.to_owned(), fault));
    }

    /// The fault of this call, if one is planned.
    pub fn next(&mut self, call: &str) -> Option<Fault> {
        let index = self.0.iter().position(|(prefix, _)| call.starts_with(prefix.as_str()))?;
        self.0.remove(index).map(|(_, fault)| fault)
    }
}
