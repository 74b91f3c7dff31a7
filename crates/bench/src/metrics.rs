//! The metrics of the services, from Prometheus text.

use std::collections::BTreeMap;

/// Values by name and labels, added up over what was read.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    values: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads one page, in the text format 0.0.4, and adds its values to what is there.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((series, value)) = line.rsplit_once(' ')
                && let Ok(value) = value.parse::<f64>()
            {
                *self.values.entry(series.to_owned()).or_default() += value;
            }
        }
    }

    /// The sum of all series of this name that have all of these labels, each written as `status="409"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let series = self.values.iter().filter(|(series, _)| of_name(series));
        series.filter(|(series, _)| labels.iter().all(|label| series.contains(label))).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn adds_up_series_and_pages() {
        let page = "# TYPE a counter\na{status=\"201\",route=\"/x\"} 3\na{status=\"409\",route=\"/x\"} 2\nab 7\n";
        let mut metrics = Metrics::default();
        metrics.add(page);
        metrics.add(page);
        assert_eq!(metrics.sum("a", &[]), 10.0);
        assert_eq!(metrics.sum("a", &["status=\"409\"", "route=\"/x\""]), 4.0);
        assert_eq!(metrics.sum("ab", &[]), 14.0);
        assert_eq!(metrics.sum("missing", &[]), 0.0);
    }
}
