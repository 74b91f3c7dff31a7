//! The mailer against a mail server that works, and one that fails in every way.

use clap::Parser;
use e2e::mail_server::{Encryption, Fault, MailServer};
use order_service::config::Config;
use order_service::notifications::{Mail, MailText, Mailer, SendError, Taken};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const FROM: [&str; 4] = ["--mail-from-address", "shop@shop.example", "--mail-from-name", "Kafka & Söhne"];

fn text() -> MailText {
    MailText {
        subject: "Your order ORD-00000042 – shipped ✓".to_owned(),
        text: format!("Hällo Ada,\n{}\n.\n..two\nbye", "long ".repeat(500)),
        html: format!("<p>Hällo <b>Ada</b></p>\n<p>{}</p>", "x".repeat(3000)),
    }
}

fn mailer_with(port: u16, flags: &[&str]) -> Mailer {
    let port = port.to_string();
    let server = ["order-service", "--mail-host", "127.0.0.1", "--mail-port", &port, "--mail-timeout-seconds", "2"];
    let config = Config::parse_from([&server, &FROM[..], flags].concat());
    Mailer::new(&config.notifications.mail).unwrap().unwrap()
}

fn mailer(port: u16) -> Mailer {
    mailer_with(port, &["--mail-tls", "none"])
}

fn refused(flags: &[&str]) -> String {
    let config = Config::parse_from([&["order-service"], flags].concat());
    Mailer::new(&config.notifications.mail).unwrap_err().to_string()
}

async fn send(mailer: &Mailer, to: &str) -> Result<Taken, SendError> {
    send_to(mailer, to, "Ada Lovelace").await
}

async fn send_to(mailer: &Mailer, to: &str, name: &str) -> Result<Taken, SendError> {
    mailer.send(&Mail { to, to_name: Some(name), message_id: "order-42.shipped.0", text: &text() }).await
}

/// What is said of a failure must not say whom it was about.
#[track_caller]
fn reason(outcome: Result<Taken, SendError>, kind: &str) -> String {
    let error = outcome.expect_err("a failure");
    let (seen, reason) = match error {
        SendError::Refused(reason) => ("refused", reason),
        SendError::PutOff { reason, .. } => ("put off", reason),
        SendError::Unavailable { reason, .. } => ("unavailable", reason),
    };
    assert_eq!(seen, kind, "{reason}");
    assert!(!reason.contains('@') && !reason.to_lowercase().contains("ada"), "{reason}");
    reason
}

fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mailer-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn a_message_arrives_whole() {
    let server = MailServer::start().await;
    let taken = send(&mailer(server.port()), "ada@example.com").await.unwrap();
    assert_eq!(taken.provider_id.as_deref(), Some("<order-42.shipped.0@shop.example>"));
    let message = &server.received()[0];
    assert_eq!(
        (message.from.as_str(), message.to.as_slice()),
        ("shop@shop.example", &["ada@example.com".to_owned()][..])
    );
    assert_eq!(message.message_id(), "<order-42.shipped.0@shop.example>");
    assert_eq!(message.subject(), text().subject);
    assert_eq!(message.header("To"), "\"Ada Lovelace\" <ada@example.com>");
    assert!(message.header("From").contains("Kafka & Söhne") && message.header("From").contains("<shop@shop.example>"));
    assert_eq!(message.header("Auto-Submitted"), "auto-generated");
    assert!(!message.header("Date").is_empty());
    assert_eq!(message.text().trim_end(), text().text);
    assert_eq!(message.html().trim_end(), text().html);
    assert!(message.longest_line() <= 998, "{}", message.longest_line());
}

#[tokio::test]
async fn what_is_in_a_name_adds_no_header() {
    let server = MailServer::start().await;
    let mailer = mailer(server.port());
    let names = [
        "Ada\r\nBcc: eve@example.com".to_owned(),
        "Ada\nX-Evil: 1\r\n\r\n<script>alert(1)</script>".to_owned(),
        "\"Ada\" <eve@example.com>, Eve".to_owned(),
        "A".repeat(300),
        "👩‍🚀".repeat(100),
        "\u{85}\u{2028}\u{0}".to_owned(),
        String::new(),
    ];
    for name in &names {
        send_to(&mailer, "ada@example.com", name).await.unwrap();
    }
    for (message, name) in server.received().iter().zip(&names) {
        assert_eq!(message.to, ["ada@example.com"], "{name:?}");
        let mut headers = message.header_names();
        headers.sort_unstable();
        let wanted = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
        assert_eq!(headers, wanted, "{name:?}");
        assert!(
            message.header("To").ends_with("ada@example.com>") || message.header("To") == "ada@example.com",
            "{name:?}"
        );
        assert!(message.longest_line() <= 998, "{name:?}");
        assert_eq!(message.text().trim_end(), text().text, "{name:?}");
    }
    assert_eq!(server.count(), names.len());
}

#[tokio::test]
async fn a_subject_with_line_breaks_stays_one_header() {
    let server = MailServer::start().await;
    let text = MailText { subject: "Hi\r\nBcc: eve@example.com".to_owned(), ..text() };
    let mail = Mail { to: "ada@example.com", to_name: None, message_id: "x", text: &text };
    mailer(server.port()).send(&mail).await.unwrap();
    let message = &server.received()[0];
    assert_eq!(message.subject(), "Hi Bcc: eve@example.com");
    assert_eq!(message.header("Bcc"), "");
}

#[tokio::test]
async fn it_is_encrypted_and_logged_in_in_both_ways() {
    for (encryption, tls) in [(Encryption::Starttls, "starttls"), (Encryption::Implicit, "implicit")] {
        let server = MailServer::start_encrypted(encryption, &folder(tls), Some(("user", "pass word"))).await;
        let authority = server.authority().to_str().unwrap();
        let flags = ["--mail-tls", tls, "--mail-ca-file", authority, "--mail-username", "user", "--mail-password"];
        send(&mailer_with(server.port(), &[&flags[..], &["pass word"]].concat()), "ada@example.com").await.unwrap();
        let message = &server.received()[0];
        assert!(message.encrypted && message.user.as_deref() == Some("user"), "{tls}");
        let wrong = mailer_with(server.port(), &[&flags[..], &["wrong"]].concat());
        assert!(reason(send(&wrong, "ada@example.com").await, "unavailable").contains("535"), "{tls}");
        let strangers = mailer_with(server.port(), &["--mail-tls", tls]);
        reason(send(&strangers, "ada@example.com").await, "unavailable");
        assert_eq!(server.count(), 1, "{tls}: nothing goes to a server that nobody vouches for");
    }
}

#[tokio::test]
async fn nothing_goes_out_in_the_clear_where_starttls_is_not_offered() {
    let server = MailServer::start().await;
    let said =
        reason(send(&mailer_with(server.port(), &["--mail-tls", "starttls"]), "ada@example.com").await, "unavailable");
    assert!(said.contains("STARTTLS"), "{said}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn each_failure_means_what_it_means() {
    let server = MailServer::start().await;
    let mailer = mailer(server.port());
    let answers = [
        (Fault::Greeting(421), "unavailable"),
        (Fault::Greeting(554), "unavailable"),
        (Fault::Sender(550), "unavailable"),
        (Fault::Sender(451), "put off"),
        (Fault::Sender(421), "unavailable"),
        (Fault::Recipient(550), "refused"),
        (Fault::Recipient(450), "put off"),
        (Fault::Recipient(421), "unavailable"),
        (Fault::Recipient(530), "unavailable"),
        (Fault::Text(554), "refused"),
        (Fault::Text(451), "put off"),
        (Fault::Text(421), "unavailable"),
        (Fault::HangUpAfterText(false), "put off"),
        (Fault::HangUpAfterText(true), "put off"),
    ];
    for (fault, kind) in answers {
        // A connection from before the fault and a new one are treated alike.
        for _ in 0..2 {
            server.set_fault(Some(fault));
            // The greeting is not heard on a connection that is open already.
            let outcome = send(&self::mailer(server.port()), "ada@example.com").await;
            reason(outcome, kind);
            if !matches!(fault, Fault::Greeting(_)) {
                reason(send(&mailer, "ada@example.com").await, kind);
            }
            server.set_fault(None);
            send(&mailer, "ada@example.com").await.unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
        }
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_asking() {
    let server = MailServer::start().await;
    let mailer = mailer(server.port());
    for address in
        ["ada", "ada@", "@example.com", "a da@example.com", "ada@example.com\r\nRCPT TO:<eve@example.com>", ""]
    {
        reason(send(&mailer, address).await, "refused");
    }
    // mailin does not offer SMTPUTF8.
    let error = reason(send(&mailer, "адa@example.com").await, "refused");
    assert!(error.contains("SMTPUTF8"), "{error}");
    assert_eq!(server.recipients(), 0);
}

#[tokio::test]
async fn a_domain_beyond_ascii_needs_no_special_server() {
    let server = MailServer::start().await;
    let port = server.port().to_string();
    let flags = ["order-service", "--mail-host", "127.0.0.1", "--mail-tls", "none", "--mail-port", &port];
    let config = Config::parse_from([&flags[..], &["--mail-from-address", "shop@bücher.example"]].concat());
    let mailer = Mailer::new(&config.notifications.mail).unwrap().unwrap();
    for (to, sent_to) in [("ada@münchen.de", "ada@xn--mnchen-3ya.de"), ("ada@例子.广告", "ada@xn--fsqu00a.xn--4rr70v")]
    {
        send(&mailer, to).await.unwrap();
        let message = server.received().pop().unwrap();
        assert_eq!(
            (message.from.as_str(), message.to.as_slice()),
            ("shop@xn--bcher-kva.example", &[sent_to.to_owned()][..])
        );
    }
    server.set_fault(Some(Fault::Recipient(550)));
    reason(send(&mailer, "ada@münchen.de").await, "refused");
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_the_time_limit_and_no_more() {
    let server = MailServer::start().await;
    let mailer = mailer(server.port());
    for (fault, kind) in [(Fault::Silence, "unavailable"), (Fault::SilenceAfterText(true), "put off")] {
        server.set_fault(Some(fault));
        let started = Instant::now();
        reason(send(&mailer, "ada@example.com").await, kind);
        let took = started.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(4), "{fault:?} took {took:?}");
    }
}

#[tokio::test]
async fn no_connection_is_nobodys_fault() {
    let mut server = MailServer::start().await;
    let mailer = mailer(server.port());
    send(&mailer, "ada@example.com").await.unwrap();
    server.stop();
    e2e::poll::eventually("the server to be away", async || match send(&mailer, "ada@example.com").await {
        Err(error) => Ok(reason(Err(error), "unavailable")),
        Ok(_) => Err("sent".to_owned()),
    })
    .await;
    server.come_back().await;
    send(&mailer, "ada@example.com").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_was_idle_is_replaced() {
    let mut server = MailServer::start().await;
    let mailer = mailer(server.port());
    for connections in 1..=3 {
        send(&mailer, "ada@example.com").await.unwrap();
        assert_eq!(server.connections(), connections);
        server.stop();
        server.come_back().await;
    }
}

#[tokio::test]
async fn connections_are_used_again_and_bounded() {
    let server = MailServer::start().await;
    let mailer = mailer_with(server.port(), &["--mail-tls", "none", "--mail-connections", "3"]);
    assert_eq!(mailer.connections(), 3);
    let sending: Vec<_> = (0..60)
        .map(|_| {
            let mailer = mailer.clone();
            tokio::spawn(async move { send(&mailer, "ada@example.com").await })
        })
        .collect();
    for each in sending {
        each.await.unwrap().unwrap();
    }
    assert_eq!(server.count(), 60);
    assert!(server.most_open() <= 3, "{} at the same time", server.most_open());
    assert!(server.connections() <= 3, "{} in all", server.connections());
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let nothing = Config::parse_from(["order-service"]);
    assert!(Mailer::new(&nothing.notifications.mail).unwrap().is_none(), "off by default");
    let from = ["--mail-from-address", "shop@shop.example"];
    let with = |flags: &[&str]| refused(&[&from[..], flags].concat());
    for (flags, variable) in [
        (&[][..], "MAIL_USERNAME"),
        (&["--mail-username", "u"], "MAIL_PASSWORD"),
        (&["--mail-password", "hush"], "MAIL_USERNAME"),
        (&["--mail-host", "x", "--mail-tls", "none", "--mail-username", "u", "--mail-password", "hush"], "MAIL_TLS"),
        (&["--mail-host", "x", "--mail-ca-file", "/nowhere.pem"], "MAIL_CA_FILE"),
        (&["--mail-host", "x", "--mail-ca-file", "Cargo.toml"], "MAIL_CA_FILE"),
        (&["--mail-host", "x", "--mail-tls", "none", "--mail-ca-file", "Cargo.toml"], "MAIL_CA_FILE"),
        (&["--mail-host", "not a host"], "MAIL_HOST"),
    ] {
        let error = with(flags);
        assert!(error.starts_with(variable) && !error.contains("hush"), "{flags:?}: {error}");
    }
    assert!(refused(&["--mail-username", "u", "--mail-password", "hush"]).starts_with("MAIL_FROM_ADDRESS"));
    assert!(refused(&["--mail-from-address", "shop"]).starts_with("MAIL_FROM_ADDRESS"));
}
