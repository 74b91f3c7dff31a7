//! Virtual hosts, each a broker of its own within one server, made and deleted over the management API.

use crate::error::{Result, TestbedError};
use crate::http;

/// `guest:guest` in Base64, as HTTP wants it.
pub(super) const AUTHORIZATION: &str = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";

/// Makes a virtual host on the server with these two URLs; gives the URL that services connect to it with.
pub fn make(amqp_url: &str, management_url: &str, name: &str) -> Result<String> {
    let rights = r#"{"configure":".*","write":".*","read":".*"}"#;
    call(management_url, "PUT", &format!("/api/vhosts/{name}"), "{}")?;
    // Its maker has the rights already; this gives them where they were missing.
    call(management_url, "PUT", &format!("/api/permissions/{name}/guest"), rights)?;
    Ok(url(amqp_url, name))
}

/// The URL that services connect to one with, on the server with this URL of another.
pub fn url(amqp_url: &str, name: &str) -> String {
    let server = amqp_url.rsplit_once('/').map_or(amqp_url, |(server, _)| server);
    format!("{server}/{name}")
}

/// Deletes it with all that is in it.
pub fn delete(management_url: &str, name: &str) -> Result<()> {
    call(management_url, "DELETE", &format!("/api/vhosts/{name}"), "")
}

fn call(management_url: &str, method: &str, path: &str, body: &str) -> Result<()> {
    let failed = |why: &str| TestbedError::new(format!("{method} {path} of RabbitMQ's management API: {why}"));
    let port = management_url.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.ok_or_else(|| failed("its URL has no port"))?;
    let headers = [AUTHORIZATION, "Content-Type: application/json"];
    match http::call(port, method, path, &headers, body) {
        Some(answer) if answer.status < 300 => Ok(()),
        Some(answer) => Err(failed(&format!("{} {}", answer.status, answer.body))),
        None => Err(failed("no answer")),
    }
}
