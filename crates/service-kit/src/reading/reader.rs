//! Who reads, and what they have to see.

use super::writers::Writer;
use super::{Position, READ_AFTER};
use crate::access::Caller;
use crate::problem::Problem;
use crate::validation::FieldErrors;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// Who makes a read, and after which writes of theirs: for [`Database::read`](crate::db::Database::read). Every call of a list
/// takes one.
#[derive(Clone, Debug)]
pub struct Reader {
    /// What they say that they have to see.
    pub(super) after: Option<Position>,
    /// Whose own writes they have to see where they say nothing.
    pub(super) writer: Option<Writer>,
}

impl Reader {
    /// Sees everything: reads at the primary.
    pub fn of_everything() -> Self {
        Self { after: Some(Position::END), writer: None }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let writer = Caller::of(&parts.extensions).and_then(|caller| Writer::of(&caller.principal));
        Ok(Self { after: after(&parts.headers)?, writer })
    }
}

fn after(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let mut values = headers.get_all(READ_AFTER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |message: &str| Problem::validation(FieldErrors::one("Read-After", message));
    if values.next().is_some() {
        return Err(refused("stands twice: send the newer one"));
    }
    let position = value.to_str().ok().and_then(Position::parse);
    position.map(Some).ok_or_else(|| refused("must be taken from the Read-After of an answer to a write"))
}

#[cfg(test)]
mod tests {
    use super::after;
    use crate::reading::{Position, READ_AFTER};
    use axum::http::HeaderMap;

    fn read(values: &[&str]) -> Result<Option<Position>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(READ_AFTER, value.parse().unwrap());
        }
        after(&headers).map_err(|problem| problem.status)
    }

    #[test]
    fn it_is_what_a_write_answered_or_is_refused() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["000000000000002a"]), Ok(Some(Position::at(42))));
        for bad in ["", "x", "0/16B3748", "42"] {
            assert_eq!(read(&[bad]), Err(400), "{bad}");
        }
        assert_eq!(read(&["000000000000002a"; 2]), Err(400));
    }
}
