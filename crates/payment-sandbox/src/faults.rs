//! What can go wrong between a shop and its payment provider, as a test plans it.

use std::collections::VecDeque;
use std::time::Duration;

/// One fault of one call. To refuse connections, see [`crate::Sandbox::close`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Reads the request, does nothing, and never answers.
    SilenceBefore,
    /// Does what is asked and never answers.
    SilenceAfter,
    /// Waits for [`crate::Sandbox::release`] before it does anything. The key is in use meanwhile.
    HeldBefore,
    /// Does what is asked and waits for [`crate::Sandbox::release`] before it answers.
    HeldAfter,
    /// 500, and nothing was done. Stripe keeps it under the key.
    Error,
    /// 500, although it was done. Stripe keeps it under the key.
    ErrorAfter,
    /// 429 with `Retry-After: 1`, and nothing was done.
    TooMany,
    /// Does what is asked and answers, both after this long.
    Slow(Duration),
    /// Answers with amounts that are one more than in the ledger, where there is one.
    WrongAmount,
    /// Answers with half of the JSON.
    Cut,
}

/// The faults to come, each with the beginning of the `METHOD /path` of its calls.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    once: VecDeque<(String, Fault)>,
    always: Vec<(String, Fault)>,
}

impl Faults {
    pub(crate) fn plan(&mut self, call: &str, fault: Fault) {
        self.once.push_back((call.to_owned(), fault));
    }

    pub(crate) fn always(&mut self, call: &str, fault: Fault) {
        self.always.push((call.to_owned(), fault));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault of this call, if one is planned. One that is planned once comes first.
    pub(crate) fn next(&mut self, call: &str) -> Option<Fault> {
        let index = self.once.iter().position(|(prefix, _)| call.starts_with(prefix.as_str()));
        let once = index.and_then(|index| self.once.remove(index));
        let always = || self.always.iter().rev().find(|(prefix, _)| call.starts_with(prefix.as_str())).cloned();
        once.or_else(always).map(|(_, fault)| fault)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn a_planned_fault_comes_once_and_before_the_lasting_one() {
        let mut faults = Faults::default();
        faults.always("POST /v1/refunds", Fault::Error);
        faults.plan("POST", Fault::Cut);
        assert_eq!(faults.next("GET /v1/refunds"), None);
        assert_eq!(faults.next("POST /v1/refunds"), Some(Fault::Cut));
        assert_eq!(faults.next("POST /v1/refunds"), Some(Fault::Error));
        assert_eq!(faults.next("POST /v1/orders"), None);
        faults.clear();
        assert_eq!(faults.next("POST /v1/refunds"), None);
    }
}
