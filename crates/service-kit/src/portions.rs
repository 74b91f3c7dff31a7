//! Deletes what is old however much of it there is.

use std::future::Future;

/// Rows that one statement of [`in_portions`] deletes at the most.
pub const PORTION: i64 = 10_000;

/// Deletes in portions, each with a statement of its own: one for all of many rows runs into the time limit, and the next time
/// there are more. Goes on until fewer than [`PORTION`] were found. Gives how many it was.
pub async fn in_portions<Delete, Fut, E>(delete: Delete) -> Result<u64, E>
where
    Delete: Fn() -> Fut + Send,
    Fut: Future<Output = Result<u64, E>> + Send,
{
    let mut deleted = 0;
    loop {
        let portion = delete().await?;
        deleted += portion;
        if portion < PORTION.cast_unsigned() {
            return Ok(deleted);
        }
    }
}
