//! The sandbox as a program: `cargo xtask up` starts it beside the services.

use clap::Parser;
use payment_sandbox::{Options, Sandbox, Webhook};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Speaks Stripe's protocol on loopback. No real money.
#[derive(Parser, Debug)]
#[command(name = "payment-sandbox", version)]
struct Arguments {
    /// Port to listen on
    #[arg(long, env = "SANDBOX_PORT", default_value_t = 8084)]
    port: u16,
    /// The secret key that shops show
    #[arg(long, env = "SANDBOX_KEY", default_value = "sk_test_sandbox")]
    key: String,
    /// Where webhooks go
    #[arg(long, env = "SANDBOX_WEBHOOK_URL")]
    webhook_url: Option<String>,
    /// The secret that signs webhooks
    #[arg(long, env = "SANDBOX_WEBHOOK_SECRET", default_value = "whsec_sandbox")]
    webhook_secret: String,
    /// Where the ledger is kept
    #[arg(long, env = "SANDBOX_FILE")]
    file: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { port, key, webhook_url, webhook_secret, file } = Arguments::parse();
    let webhook = webhook_url.map(|url| Webhook { url, secret: webhook_secret });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match Sandbox::start(Options { address, key, webhook, file }).await {
        Ok(sandbox) => {
            println!("listening on {}", sandbox.url());
            sandbox.ended().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
