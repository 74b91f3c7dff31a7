//! The sandbox as a program: `cargo xtask up` starts it beside the services.

use clap::Parser;
use payment_sandbox::{Options, Sandbox, Webhooks};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Speaks the protocols of Stripe and Razorpay on loopback. It moves no real money.
#[derive(Parser, Debug)]
#[command(name = "payment-sandbox", version)]
struct Arguments {
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 8084)]
    port: u16,
    /// Where the ledgers are kept; without it they end with the program
    #[arg(long, env = "LEDGER_FILE")]
    file: Option<PathBuf>,
    /// Begins the URLs of the shop's webhooks: /stripe or /razorpay is added
    #[arg(long, env = "WEBHOOK_URL")]
    webhook_url: Option<String>,
    /// Signs Stripe's webhooks
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", default_value = "whsec_sandbox")]
    stripe_webhook_secret: String,
    /// Signs Razorpay's webhooks
    #[arg(long, env = "RAZORPAY_WEBHOOK_SECRET", default_value = "sandbox-webhook-secret")]
    razorpay_webhook_secret: String,
    /// The secret key that shops show to Stripe
    #[arg(long, env = "STRIPE_SECRET_KEY", default_value = "sk_test_sandbox")]
    stripe_secret_key: String,
    /// The key that browsers show to Stripe
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", default_value = "pk_test_sandbox")]
    stripe_publishable_key: String,
    /// The user that shops show to Razorpay
    #[arg(long, env = "RAZORPAY_KEY_ID", default_value = "rzp_test_sandbox")]
    razorpay_key_id: String,
    /// The password that shops show to Razorpay
    #[arg(long, env = "RAZORPAY_KEY_SECRET", default_value = "sandbox-secret")]
    razorpay_key_secret: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (stripe_secret, razorpay_secret) = (arguments.stripe_webhook_secret, arguments.razorpay_webhook_secret);
    let options = Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        stripe_secret_key: arguments.stripe_secret_key,
        stripe_publishable_key: arguments.stripe_publishable_key,
        razorpay_key_id: arguments.razorpay_key_id,
        razorpay_key_secret: arguments.razorpay_key_secret,
        webhooks: arguments.webhook_url.map(|url| Webhooks { url, stripe_secret, razorpay_secret }),
        file: arguments.file,
        refunds_settle_after: Some(Duration::from_secs(2)),
        is_program: true,
    };
    match Sandbox::start(options).await {
        Ok(sandbox) => {
            println!("listening on {}", sandbox.url());
            std::future::pending().await
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
