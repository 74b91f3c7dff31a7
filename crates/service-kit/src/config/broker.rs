//! Where RabbitMQ is: one node, or several.

use super::{ConfigError, secret};
use crate::retries::RetryDelays;
use clap::Args;
use http_client::ClientConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use url::Url;

/// Where RabbitMQ is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "RabbitMQ")]
pub struct BrokerConfig {
    /// Connection URL, or those of several nodes of one cluster with commas between them; takes the place of the RABBITMQ_*
    /// variables
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_parser = secret)]
    pub amqp_url: Option<SecretString>,
    /// File with the certificates of authorities (PEM) that are believed beside Mozilla's where AMQP_URL is amqps://
    #[arg(long, env = "AMQP_CA_FILE")]
    pub amqp_ca_file: Option<PathBuf>,
    /// Host name
    #[arg(long, env = "RABBITMQ_HOST", default_value = "localhost")]
    pub rabbitmq_host: String,
    /// Port
    #[arg(long, env = "RABBITMQ_PORT", default_value_t = 5672)]
    pub rabbitmq_port: u16,
    /// User
    #[arg(long, env = "RABBITMQ_USERNAME", default_value = "guest")]
    pub rabbitmq_username: String,
    /// Password
    #[arg(long, env = "RABBITMQ_PASSWORD", hide_env_values = true, default_value = "guest", hide_default_value = true, value_parser = secret)]
    pub rabbitmq_password: SecretString,
    /// Milliseconds a message that failed waits before each further attempt, give or take a fifth; 1 to 10 of them
    #[arg(long, env = "RETRY_DELAYS_MS", default_value = "1000,5000,30000,120000,600000")]
    pub retry_delays_ms: RetryDelays,
}

impl BrokerConfig {
    /// The nodes to connect to, at least one.
    pub fn nodes(&self) -> Result<Vec<AMQPUri>, ConfigError> {
        match &self.amqp_url {
            Some(urls) => nodes(urls.expose_secret())
                .map_err(|reason| ConfigError { variable: "AMQP_URL", reason: reason.to_owned() }),
            None => Ok(vec![self.put_together()?]),
        }
    }

    /// What TLS to the nodes believes.
    pub fn tls(&self) -> Result<ClientConfig, ConfigError> {
        let refused = |reason: String| ConfigError { variable: "AMQP_CA_FILE", reason };
        let encrypted = self.nodes()?.iter().any(|node| node.scheme == AMQPScheme::AMQPS);
        if self.amqp_ca_file.is_some() && !encrypted {
            return Err(refused("has no use where AMQP_URL has no amqps://".to_owned()));
        }
        http_client::tls(self.amqp_ca_file.as_deref()).map_err(|error| refused(error.to_string()))
    }

    /// The one node that the RABBITMQ_* variables name.
    fn put_together(&self) -> Result<AMQPUri, ConfigError> {
        let refused = |variable| ConfigError { variable, reason: "cannot be part of a URL".to_owned() };
        let mut url = Url::parse("amqp://localhost/%2f").map_err(|_| refused("AMQP_URL"))?;
        url.set_host(Some(&self.rabbitmq_host)).map_err(|_| refused("RABBITMQ_HOST"))?;
        url.set_port(Some(self.rabbitmq_port)).map_err(|()| refused("RABBITMQ_PORT"))?;
        url.set_username(&self.rabbitmq_username).map_err(|()| refused("RABBITMQ_USERNAME"))?;
        url.set_password(Some(self.rabbitmq_password.expose_secret())).map_err(|()| refused("RABBITMQ_PASSWORD"))?;
        url.as_str().parse().map_err(|_| refused("RABBITMQ_HOST"))
    }
}

/// The nodes in a list of URLs with commas between them. What is wrong is said without the URLs, which hold passwords.
fn nodes(urls: &str) -> Result<Vec<AMQPUri>, &'static str> {
    let nodes = split(urls).into_iter().map(node).collect::<Option<Vec<AMQPUri>>>();
    let nodes = nodes.ok_or(
        "must look like amqp://user:password@host:5672/virtual-host, with a comma between the URLs of several nodes",
    )?;
    let one_cluster = nodes.iter().all(|node| nodes.first().is_some_and(|first| first.vhost == node.vhost));
    if one_cluster { Ok(nodes) } else { Err("must name the same virtual host at every node") }
}

/// The URLs of a list. A comma may also stand in a password, and then no URL begins behind it.
fn split(urls: &str) -> Vec<&str> {
    let begins = |text: &str| ["amqp://", "amqps://"].iter().any(|scheme| text.trim_start().starts_with(scheme));
    let (mut parts, mut rest) = (Vec::new(), urls);
    while let Some((at, _)) = rest.match_indices(',').find(|(at, _)| begins(&rest[at + 1..])) {
        parts.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    parts.push(rest);
    parts
}

fn node(url: &str) -> Option<AMQPUri> {
    let behind_the_password = url.rsplit('@').next()?;
    if behind_the_password.contains(',') { None } else { url.trim().parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::BrokerConfig;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Flags {
        #[command(flatten)]
        broker: BrokerConfig,
    }

    #[test]
    fn the_broker_url_is_put_together_and_escaped() {
        let flags = Flags::parse_from(["x", "--rabbitmq-host", "mq", "--rabbitmq-password", "p@ss/word"]);
        assert_eq!(flags.broker.nodes().unwrap()[0].to_string(), "amqp://guest:p%40ss%2Fword@mq:5672/%2F");
    }

    #[test]
    fn a_bad_broker_url_is_named_but_not_shown() {
        let bad = ["u:hush@mq:5672/%2f", "amqp:u:hush@mq", "u:hush", "http://u:hush@mq", "amqp://u:hush@mq:port", ""];
        let lists = ["amqp://u:hush@mq,", "amqp://u:hush@a/x,", "amqp://u:hush@a,b", "amqp://u:hush@a,,amqp://b"];
        let lists = lists.into_iter().chain(["amqp://u:hush@a,amqp:b", "amqp://u:hush@a/x,http://b/x"]);
        for url in bad.into_iter().chain(["amqp://u:hush@mq/%2f?heartbeat=hush"]).chain(lists) {
            let flags = Flags::parse_from(["x", "--amqp-url", url]);
            let error = flags.broker.nodes().unwrap_err().to_string();
            assert!(error.starts_with("AMQP_URL: must look like"), "{url}: {error}");
            assert!(!error.contains("hush"));
        }
        for url in ["amqp://u:p@mq:5672/%2f", "amqps://u:p@mq/shop?heartbeat=10", "amqp://mq", "amqp://u:p,q@mq"] {
            assert_eq!(Flags::parse_from(["x", "--amqp-url", url]).broker.nodes().unwrap().len(), 1);
        }
    }

    #[test]
    fn several_nodes_are_those_of_one_cluster() {
        let nodes = |urls| Flags::parse_from(["x", "--amqp-url", urls]).broker.nodes();
        let three = nodes("amqp://u:p,q@a/shop, amqps://b/shop,amqp://u@c:5673/shop").unwrap();
        let hosts: Vec<_> = three.iter().map(|node| (node.authority.host.as_str(), node.authority.port)).collect();
        assert_eq!(hosts, [("a", 5672), ("b", 5671), ("c", 5673)]);
        assert_eq!(three[0].authority.userinfo.password, "p,q");
        let error = nodes("amqp://u:hush@a/shop,amqp://u:hush@b/other").unwrap_err().to_string();
        assert_eq!(error, "AMQP_URL: must name the same virtual host at every node");
    }

    #[test]
    fn a_file_of_authorities_must_be_one_and_be_of_use() {
        let tls = |url, file| Flags::parse_from(["x", "--amqp-url", url, "--amqp-ca-file", file]).broker.tls();
        let error = tls("amqp://a", "Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, "AMQP_CA_FILE: has no use where AMQP_URL has no amqps://");
        let error = tls("amqps://a", "Cargo.toml").unwrap_err().to_string();
        assert_eq!(error, "AMQP_CA_FILE: holds no certificate in PEM");
        assert!(tls("amqps://a", "/nowhere.pem").unwrap_err().to_string().contains("AMQP_CA_FILE: cannot be read"));
        Flags::parse_from(["x", "--amqp-url", "amqps://a"]).broker.tls().unwrap();
    }
}
