//! Sixty-four bits in place of the lines of an order or a reservation.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes digests that can be compared with each other, not with those of another run: two different lists of lines
/// that look alike to one run, which happens once in 10^19 times, do not to the next.
#[derive(Clone, Debug, Default)]
pub struct Digests(RandomState);

impl Digests {
    /// The digest of these lines (product, pieces, price digit by digit), whatever order they come in.
    pub fn of<'a>(&self, lines: impl Iterator<Item = (i64, i64, &'a str)>) -> u64 {
        let mut lines: Vec<_> = lines.collect();
        lines.sort_unstable();
        let mut hasher = self.0.build_hasher();
        for (product_id, quantity, price) in lines {
            hasher.write_i64(product_id);
            hasher.write_i64(quantity);
            // The length keeps the digits of one line apart from the next.
            hasher.write_usize(price.len());
            hasher.write(price.as_bytes());
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Digests;

    #[test]
    fn the_order_of_lines_makes_no_difference_and_everything_else_does() {
        let digests = Digests::default();
        let of = |lines: &[(i64, i64, &'static str)]| digests.of(lines.iter().copied());
        let lines = [(1, 3, "0.10"), (2, 1, "5.00")];
        let digest = of(&lines);
        assert_eq!(of(&[lines[1], lines[0]]), digest);
        let others = [
            vec![],
            vec![lines[0]],
            vec![lines[0], lines[1], lines[1]],
            vec![(3, 3, "0.10"), lines[1]],
            vec![(1, 2, "0.10"), lines[1]],
            vec![(1, 3, "0.1"), lines[1]],
            vec![(1, 3, "0.11"), lines[1]],
        ];
        for other in others {
            assert_ne!(of(&other), digest, "{other:?}");
        }
    }
}
