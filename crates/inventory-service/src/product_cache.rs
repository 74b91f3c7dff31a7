//! The answers to reads of single products, kept for a moment.
//!
//! Never older than what this instance has committed: whoever changes a product says so here, after the commit and before
//! the answer. What other instances commit is seen after [`KEPT`] at the latest.

use crate::error::Error;
use moka::sync::Cache;
use service_kit::answer::Answer;
use shared_types::ProductId;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(1);

/// A read that took longer is not kept: the change it may have missed could be forgotten by then.
const LONGEST_READ: Duration = Duration::from_millis(500);

/// Products remembered at the same time, about 500 bytes each.
const REMEMBERED: u64 = 10_000;

/// Answers by product; clones share them.
#[derive(Clone, Debug)]
pub struct ProductCache(Cache<ProductId, Known>);

#[derive(Clone, Debug)]
enum Known {
    /// What a read that began at this time found.
    Answer(Instant, Answer),
    /// It was changed here at this time: a read that began before may not have seen it.
    Changed(Instant),
}

impl Known {
    fn at(&self) -> Instant {
        match self {
            Self::Answer(at, _) | Self::Changed(at) => *at,
        }
    }
}

impl Default for ProductCache {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).time_to_live(KEPT).build())
    }
}

impl ProductCache {
    /// The answer to a read of this product: the kept one, or else what `read` gives, which is kept.
    pub async fn get<Read>(&self, id: ProductId, read: impl FnOnce() -> Read) -> Result<Answer, Error>
    where
        Read: Future<Output = Result<Answer, Error>>,
    {
        if let Some(Known::Answer(_, answer)) = self.0.get(&id) {
            return Ok(answer);
        }
        let began = Instant::now();
        let answer = read().await?;
        if began.elapsed() < LONGEST_READ {
            self.keep(id, Known::Answer(began, answer.clone()));
        }
        Ok(answer)
    }

    /// Forgets what was read of these products before now: their change is committed.
    pub fn changed(&self, products: impl IntoIterator<Item = ProductId>) {
        for id in products {
            self.keep(id, Known::Changed(Instant::now()));
        }
    }

    /// The later one stays, whoever comes first.
    fn keep(&self, id: ProductId, known: Known) {
        self.0.entry(id).and_upsert_with(|there| match there {
            Some(there) if there.value().at() > known.at() => there.into_value(),
            _ => known,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::ProductCache;
    use crate::error::Error;
    use service_kit::answer::Answer;
    use shared_types::ProductId;

    const ID: ProductId = ProductId(7);

    fn stock(pieces: i32) -> Result<Answer, Error> {
        Ok(Answer::ok(&pieces)?)
    }

    async fn read(cache: &ProductCache, pieces: i32) -> String {
        cache.get(ID, || async { stock(pieces) }).await.unwrap().body
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
        let missing = || async { Err(Error::ProductNotFound(ID)) };
        assert!(cache.get(ID, missing).await.is_err());
        assert_eq!(read(&cache, 1).await, "1");
    }
}
