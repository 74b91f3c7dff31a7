//! Percentiles of a list of times.

/// The value below or at which this share (0 to 1) of the sorted values is, by the nearest rank; 0 for none.
pub fn of_sorted(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle one of some values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    of_sorted(&values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::{median, of_sorted};

    #[test]
    fn takes_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(of_sorted(&values, 0.5), 50.0);
        assert_eq!(of_sorted(&values, 0.99), 99.0);
        assert_eq!(of_sorted(&values, 0.999), 100.0);
        assert_eq!(of_sorted(&values, 0.0), 1.0);
        assert_eq!(of_sorted(&[], 0.5), 0.0);
    }

    #[test]
    fn sorts_before_it_takes_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
