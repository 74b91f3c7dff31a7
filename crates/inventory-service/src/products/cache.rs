//! The answers to reads of single products, kept for a moment.
//!
//! Never older than what this instance has committed: whoever changes a product says so here, after the commit and before
//! the answer. What other instances commit is seen after [`KEPT`] at the latest.

use super::error::Error;
use service_kit::answer::Answer;
use shared_types::ProductId;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer is kept, from the beginning of the read that found it.
const KEPT: Duration = Duration::from_secs(1);

/// Products that can be kept at the same time, about 500 bytes each.
const PLACES: i64 = 10_000;

/// Answers by product, each in the one place that its number belongs to.
#[derive(Debug)]
pub struct ProductCache(Box<[Mutex<Place>]>);

/// Where the products are kept whose numbers leave the same remainder, the last of them that was read.
#[derive(Debug, Default)]
struct Place {
    /// How many changes of these products there were.
    changes: u64,
    kept: Option<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    id: ProductId,
    /// When the read began.
    began: Instant,
    answer: Answer,
}

impl Default for ProductCache {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

impl ProductCache {
    /// The answer to a read of this product: the kept one, or else what `read` gives, which is kept unless the product was
    /// changed meanwhile.
    pub async fn get<Read>(&self, id: ProductId, read: impl FnOnce() -> Read) -> Result<Answer, Error>
    where
        Read: Future<Output = Result<Answer, Error>>,
    {
        let began = Instant::now();
        let changes = {
            let place = self.place(id);
            match &place.kept {
                Some(kept) if kept.id == id && began.duration_since(kept.began) < KEPT => {
                    return Ok(kept.answer.clone());
                }
                _ => place.changes,
            }
        };
        let answer = read().await?;
        let mut place = self.place(id);
        let later = place.kept.as_ref().is_some_and(|kept| kept.began > began);
        if place.changes == changes && !later {
            place.kept = Some(Box::new(Kept { id, began, answer: answer.clone() }));
        }
        Ok(answer)
    }

    /// Forgets what was read of these products before now: their change is committed.
    pub fn changed(&self, products: impl IntoIterator<Item = ProductId>) {
        for id in products {
            let mut place = self.place(id);
            place.changes += 1;
            place.kept = None;
        }
    }

    fn place(&self, id: ProductId) -> MutexGuard<'_, Place> {
        let index = usize::try_from(id.0.rem_euclid(PLACES)).unwrap_or_default();
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{PLACES, ProductCache};
    use crate::products::error::Error;
    use service_kit::answer::Answer;
    use shared_types::ProductId;

    const ID: ProductId = ProductId(7);

    fn stock(pieces: i32) -> Result<Answer, Error> {
        Ok(Answer::ok(&pieces)?)
    }

    async fn read(cache: &ProductCache, pieces: i32) -> String {
        read_of(cache, ID, pieces).await
    }

    async fn read_of(cache: &ProductCache, id: ProductId, pieces: i32) -> String {
        cache.get(id, || async { stock(pieces) }).await.unwrap().body
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_the_product_is_changed() {
        let cache = ProductCache::default();
        assert_eq!(read(&cache, 5).await, "5");
        assert_eq!(read(&cache, 4).await, "5");
        cache.changed([ProductId(8)]);
        assert_eq!(read(&cache, 4).await, "5", "another one was changed");
        cache.changed([ID]);
        assert_eq!(read(&cache, 4).await, "4");
        assert_eq!(read(&cache, 3).await, "4");
    }

    #[tokio::test]
    async fn a_read_that_a_change_overtook_is_not_kept() {
        let cache = ProductCache::default();
        let overtaken = async {
            cache.changed([ID]);
            stock(5)
        };
        assert_eq!(cache.get(ID, || overtaken).await.unwrap().body, "5");
        assert_eq!(read(&cache, 4).await, "4");
    }

    #[tokio::test]
    async fn what_is_not_there_is_asked_for_again() {
        let cache = ProductCache::default();
        let missing = || async { Err(Error::UnknownProduct(ID)) };
        assert!(cache.get(ID, missing).await.is_err());
        assert_eq!(read(&cache, 1).await, "1");
    }

    #[tokio::test]
    async fn products_that_share_a_place_are_told_apart() {
        let (cache, other) = (ProductCache::default(), ProductId(ID.0 + PLACES));
        assert_eq!(read(&cache, 5).await, "5");
        assert_eq!(read_of(&cache, other, 9).await, "9");
        assert_eq!(read(&cache, 4).await, "4");
    }

    #[tokio::test]
    async fn of_two_reads_the_one_that_began_later_is_kept() {
        let cache = ProductCache::default();
        let slow = async {
            assert_eq!(read(&cache, 4).await, "4");
            stock(5)
        };
        assert_eq!(cache.get(ID, || slow).await.unwrap().body, "5");
        assert_eq!(read(&cache, 3).await, "4");
    }
}
