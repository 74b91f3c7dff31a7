//! Which rows a request may see.

use super::{Principal, Reach};
use uuid::Uuid;

/// Which rows a request may see or change. Only this module makes one: from the rule of the route and who is asking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scope(Rows);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Rows {
    All,
    OwnedBy(Uuid),
}

impl Scope {
    /// Everything: for consumers and jobs, which nobody asks.
    pub fn system() -> Self {
        Self(Rows::All)
    }

    /// What the principal reaches.
    pub(super) fn of(reach: Reach, principal: &Principal) -> Option<Self> {
        match reach {
            Reach::None => None,
            Reach::Own => principal.user().map(|user| Self(Rows::OwnedBy(user.id))),
            Reach::All => Some(Self(Rows::All)),
        }
    }

    /// Whose rows are seen; all rows where it is none.
    pub fn owner(self) -> Option<Uuid> {
        match self.0 {
            Rows::All => None,
            Rows::OwnedBy(owner) => Some(owner),
        }
    }

    /// What of it belongs to this owner; none where nothing of theirs is seen.
    pub fn narrowed(self, owner: Uuid) -> Option<Self> {
        self.includes(Some(owner)).then_some(Self(Rows::OwnedBy(owner)))
    }

    /// Whether a row of this owner, if it has one, is seen.
    pub fn includes(self, owner: Option<Uuid>) -> bool {
        self.owner().is_none_or(|seen| owner == Some(seen))
    }
}
