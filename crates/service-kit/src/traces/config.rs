//! Where traces go and how many, by the variables that OpenTelemetry has named.

use crate::config::{ConfigError, secret};
use crate::extract::parameters::decode_part;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Where traces go, and how many of them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Traces")]
pub struct TracesConfig {
    /// Collector that takes traces by OTLP over HTTP in JSON: http://collector.example:4318; without it none is recorded
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Headers of each request to the collector, such as the key that it asks for: name=value, with commas between them,
    /// values percent-encoded
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true, value_parser = secret)]
    pub otel_exporter_otlp_headers: Option<SecretString>,
    /// Part of the traces that begin here which is recorded, from 0 to 1; for others, who began them has decided
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 0.01, value_parser = ratio)]
    pub otel_traces_sampler_arg: f64,
    /// Name of the service in its traces; its own by default
    #[arg(long, env = "OTEL_SERVICE_NAME")]
    pub otel_service_name: Option<String>,
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

/// What was set and is not empty: OpenTelemetry takes an empty variable as none.
fn set(variable: Option<&String>) -> Option<&str> {
    variable.map(String::as_str).filter(|value| !value.is_empty())
}

impl TracesConfig {
    /// Where spans are sent; none where they are not recorded. The value is not shown where it is bad: it may hold a password.
    pub(super) fn url(&self) -> Result<Option<Url>, ConfigError> {
        let Some(endpoint) = set(self.otel_exporter_otlp_endpoint.as_ref()) else { return Ok(None) };
        let is_base = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let base = endpoint.trim_end_matches('/');
        let plain = !base.contains(['?', '#']) && Url::parse(base).is_ok_and(|url| is_base(&url));
        let url = Url::parse(&format!("{base}/v1/traces")).ok().filter(|_| plain);
        let reason = || "must look like http://collector.example:4318".to_owned();
        let bad = || ConfigError { variable: "OTEL_EXPORTER_OTLP_ENDPOINT", reason: reason() };
        url.map(Some).ok_or_else(bad)
    }

    /// The headers of each request to the collector. Nothing of them is shown where they are bad: they may hold a key.
    pub(super) fn headers(&self) -> Result<HeaderMap, ConfigError> {
        let text = self.otel_exporter_otlp_headers.as_ref().map_or("", |headers| headers.expose_secret());
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let reason = || "must look like name=value,name=value, with values in percent-encoding".to_owned();
        let bad = || ConfigError { variable: "OTEL_EXPORTER_OTLP_HEADERS", reason: reason() };
        pairs.map(header).collect::<Option<_>>().ok_or_else(bad)
    }

    /// What the service is called; `own` unless a name is set.
    pub(super) fn service_name<'a>(&'a self, own: &'a str) -> &'a str {
        set(self.otel_service_name.as_ref()).unwrap_or(own)
    }
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let mut value = HeaderValue::from_str(&decode_part(value.trim(), b'+')?).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::TracesConfig;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        traces: TracesConfig,
    }

    fn parse(flags: &[&str]) -> Result<TracesConfig, clap::Error> {
        Flags::try_parse_from([&["x"], flags].concat()).map(|flags| flags.traces)
    }

    #[test]
    fn traces_go_to_the_path_that_otlp_names() {
        let url = |endpoint| parse(&["--otel-exporter-otlp-endpoint", endpoint]).unwrap().url();
        for (endpoint, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://u:p@collector.example/otlp/", "https://u:p@collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(url(endpoint).unwrap().unwrap().as_str(), expected);
        }
        assert!(url("").unwrap().is_none() && parse(&[]).unwrap().url().unwrap().is_none());
        for bad in ["hush", "u:hush@collector:4318", "grpc://hush:4317", "http://hush/?a", "http://"] {
            let error = url(bad).unwrap_err().to_string();
            assert!(error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: must look like"), "{error}");
            assert!(!error.contains("hush"));
        }
    }

    #[test]
    fn headers_are_read_as_opentelemetry_has_them() {
        let headers = |text| parse(&["--otel-exporter-otlp-headers", text]).unwrap().headers();
        let read = headers("api-key=hush%20a%2Cb%3D+, X-Tenant = shop=1 ,").unwrap();
        let values = ["api-key", "x-tenant"].map(|name| read[name].to_str().unwrap());
        assert_eq!((values, read.len()), (["hush a,b=+", "shop=1"], 2));
        assert!(headers("").unwrap().is_empty() && parse(&[]).unwrap().headers().unwrap().is_empty());
        for bad in ["hush", "a b=hush", "=hush", "a=hush%2", "a=hush%zz", "a=hush%0A", "a=b,hush"] {
            let error = headers(bad).unwrap_err().to_string();
            assert!(error.starts_with("OTEL_EXPORTER_OTLP_HEADERS: must look like"), "{error}");
            assert!(!error.contains("hush"));
        }
        let config = parse(&["--otel-exporter-otlp-headers", "api-key=hush"]).unwrap();
        assert!(!format!("{config:?} {:?}", config.headers().unwrap()).contains("hush"));
    }

    #[test]
    fn a_ratio_is_from_0_to_1() {
        for good in ["0", "1", "0.25"] {
            parse(&["--otel-traces-sampler-arg", good]).unwrap();
        }
        for bad in ["-0.1", "1.01", "NaN", "inf", "", "1%"] {
            assert!(parse(&[&format!("--otel-traces-sampler-arg={bad}")]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_name_is_the_services_own_unless_one_is_set() {
        assert_eq!(parse(&[]).unwrap().service_name("order-service"), "order-service");
        assert_eq!(parse(&["--otel-service-name", "shop"]).unwrap().service_name("order-service"), "shop");
        assert_eq!(parse(&["--otel-service-name", ""]).unwrap().service_name("order-service"), "order-service");
    }
}
