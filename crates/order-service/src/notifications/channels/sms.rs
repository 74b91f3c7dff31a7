//! Sends SMS by Brevo's transactional SMS API.
//!
//! <https://developers.brevo.com/reference/send-async-transactional-sms>

use crate::notifications::channels::provider::{SendError, Taken, without_recipient};
use crate::notifications::config::{SmsConfig, SmsType};
use crate::notifications::domain::phone_number::{PhoneNumber, is_country};
use crate::notifications::domain::sms_text::is_gsm;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use service_kit::config::ConfigError;
use service_kit::lifecycle::StartError;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a connection may take; until there is one, nothing was sent.
const CONNECT: Duration = Duration::from_secs(3);

/// The longest that Brevo can ask to be left alone: a day that was meant as milliseconds must not stop all SMS.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// SMS that are handed over at the same time.
const CONNECTIONS: usize = 4;

/// Brevo's API; clones share its connections.
#[derive(Clone, Debug)]
pub struct SmsGateway(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    http: Client,
    url: Url,
    key: HeaderValue,
    sender: String,
    kind: &'static str,
    tag: Option<String>,
    time: Duration,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    sender: &'a str,
    recipient: &'a str,
    content: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    unicode_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    message_id: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl SmsGateway {
    /// Prepares the calls, and connects to nothing yet; nothing where no key is set.
    pub fn new(config: &SmsConfig) -> Result<Option<Self>, StartError> {
        let refused = |variable, reason: &str| ConfigError { variable, reason: reason.to_owned() };
        if config.sms_default_country.as_deref().is_some_and(|code| !is_country(code)) {
            return Err(refused("SMS_DEFAULT_COUNTRY", "must be a country of ISO 3166, such as GB").into());
        }
        let Some(key) = &config.brevo_api_key else { return Ok(None) };
        let mut key = HeaderValue::from_str(key.expose_secret())
            .map_err(|_| refused("BREVO_API_KEY", "cannot be sent in a header"))?;
        key.set_sensitive(true);
        let url = Url::parse(&config.brevo_sms_url).ok().filter(|url| url.has_host());
        let url = url.ok_or_else(|| refused("BREVO_SMS_URL", "must look like https://api.brevo.com/v3/…"))?;
        let sender = config
            .brevo_sms_sender
            .clone()
            .ok_or_else(|| refused("BREVO_SMS_SENDER", "must be set where BREVO_API_KEY is, such as MyShop"))?;
        if !is_sender(&sender) {
            let wanted = "must have 3 to 11 letters and digits, or be a number of up to 15 digits";
            return Err(refused("BREVO_SMS_SENDER", wanted).into());
        }
        let kind = match config.brevo_sms_type {
            SmsType::Transactional => "transactional",
            SmsType::Marketing => "marketing",
        };
        let time = Duration::from_secs(config.brevo_timeout_seconds.into());
        // A redirection would carry number and key to somebody else.
        let http = http_client::client()
            .connect_timeout(CONNECT.min(time))
            .timeout(time)
            .pool_max_idle_per_host(CONNECTIONS)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let tag = config.brevo_sms_tag.clone();
        Ok(Some(Self(Arc::new(Parts { http, url, key, sender, kind, tag, time }))))
    }

    /// SMS that can be under way at the same time.
    pub fn connections(&self) -> usize {
        CONNECTIONS
    }

    /// The longest that an SMS can be under way.
    pub fn time_limit(&self) -> Duration {
        self.0.time
    }

    /// Hands the text to Brevo.
    pub async fn send(&self, to: &PhoneNumber, text: &str) -> Result<Taken, SendError> {
        let parts = &self.0;
        // Brevo wants the country code and no plus sign.
        let recipient = to.as_str().trim_start_matches('+');
        let (sender, kind, tag) = (parts.sender.as_str(), parts.kind, parts.tag.as_deref());
        let body = Request { sender, recipient, content: text, kind, tag, unicode_enabled: !is_gsm(text) };
        let request = parts.http.post(parts.url.clone()).header("api-key", parts.key.clone()).json(&body);
        let response = request.header("accept", "application/json").send().await.map_err(no_answer)?;
        if response.status().is_success() {
            // Taken it is, even where the rest of the answer gets lost.
            let accepted = response.json::<Accepted>().await.ok();
            return Ok(Taken { provider_id: accepted.and_then(|it| it.message_id).map(|id| id.to_string()) });
        }
        Err(refusal(response, to).await)
    }
}

/// As Brevo wants it: letters and digits, or a number.
fn is_sender(text: &str) -> bool {
    let number = text.trim_start_matches('+');
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let longest = if is_number { 15 } else { 11 };
    (3..=longest).contains(&number.len()) && number.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ')
}

fn no_answer(error: reqwest::Error) -> SendError {
    if error.is_connect() {
        return unavailable("Brevo cannot be reached".to_owned(), None);
    }
    // The request was on its way: whether it has arrived is open, and to assume that it has not would send it twice at once.
    let reason = if error.is_timeout() { "Brevo took too long to answer" } else { "the connection to Brevo broke" };
    SendError::PutOff { reason: reason.to_owned(), retry_after: None }
}

async fn refusal(response: Response, to: &PhoneNumber) -> SendError {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let body = response.bytes().await.unwrap_or_default();
    let Refusal { code, message } = serde_json::from_slice(&body).unwrap_or_default();
    let said = format!("Brevo answered {}: {code} {message}", status.as_u16());
    let reason = without_recipient(said.trim_end_matches([' ', ':']), to.as_str());
    match status {
        // Nothing came back from behind the gateway there: as without an answer, it may have been taken.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => SendError::PutOff { reason, retry_after },
        // The key, the credit or the rate: nobody's SMS can be sent.
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN => {
            unavailable(reason, retry_after)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => unavailable(reason, retry_after),
        // A wrong path, or a redirection: the URL is at fault.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => unavailable(reason, retry_after),
        _ if status.is_server_error() || status.is_redirection() => unavailable(reason, retry_after),
        _ if ["not_enough_credits", "account_under_validation"].contains(&code.as_str()) => {
            unavailable(reason, retry_after)
        }
        _ => SendError::Refused(reason),
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110), or Brevo's own header with the seconds until more is taken.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |text: &str| text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let until = |text: &str| {
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    };
    let standard = text(RETRY_AFTER.as_str()).and_then(|text| seconds(text).or_else(|| until(text)));
    standard.or_else(|| text("x-sib-ratelimit-reset").and_then(seconds)).map(|pause| pause.min(LONGEST_PAUSE))
}

fn unavailable(reason: String, retry_after: Option<Duration>) -> SendError {
    SendError::Unavailable { reason, retry_after }
}
