//! Who a client is that has an account: it registers, logs in, renews its tokens and logs out.

use super::keyed::{AGAIN, LAST_PATIENCE};
use super::{ChaosClient, Side};
use crate::figures::Kind;
use crate::requests::{Answer, Attempt, Request, Verdict};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};

const PASSWORD: &str = "plum-tractor-violin-9";

/// Calls that are made without a token.
const WITHOUT_TOKEN: [&str; 4] = ["/api/auth/register", "/api/auth/login", "/api/auth/refresh", "/api/auth/logout"];

/// Tokens are renewed long before they end by themselves.
const YOUNG: Duration = Duration::from_secs(300);

/// An unknown key makes a service ask for the keys once in 30 s. So long after a rotation a good token may be refused.
const KEYS_ARE_KNOWN: Duration = Duration::from_secs(35);

/// Every service knows the first key so soon.
const FIRST_KEY_IS_KNOWN: Duration = Duration::from_secs(15);

/// In the answer to a token whose key is not known and cannot be asked for.
const UNKNOWN_KEY: &str = "who signed the token";

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    id: String,
    email: String,
    tokens: Option<Tokens>,
}

#[derive(Clone, Debug)]
struct Tokens {
    access: String,
    refresh: String,
    /// Before they were signed.
    asked_at: Instant,
    /// A refresh got no answer. It may arrive late and be taken for theft, which ends the session.
    doubtful: bool,
    /// One was refused.
    stale: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    access_token: String,
    refresh_token: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

impl Person {
    /// The account.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn has_good_tokens(&self) -> bool {
        self.tokens.as_ref().is_some_and(|tokens| !tokens.stale && tokens.asked_at.elapsed() < YOUNG)
    }
}

impl Tokens {
    fn new(granted: Granted, asked_at: Instant, doubtful: bool) -> Self {
        let Granted { access_token: access, refresh_token: refresh, .. } = granted;
        Self { access, refresh, asked_at, doubtful, stale: false }
    }
}

impl ChaosClient {
    /// The access token that it has.
    pub fn access_token(&self) -> Option<String> {
        self.person.as_ref()?.tokens.as_ref().map(|tokens| tokens.access.clone())
    }

    /// The request with the token of who asks.
    pub(super) fn signed(&self, request: &Request) -> Request {
        let asks = self.person.as_ref().filter(|_| !WITHOUT_TOKEN.contains(&request.path.as_str()));
        // Without a token it would be let in as a program of this machine.
        let bearer = asks.map(|_| self.access_token().unwrap_or_else(|| "none".to_owned()));
        Request { bearer, ..request.clone() }
    }

    /// Takes an answer that is about the token. Any other is for [`verdict`](crate::requests::verdict), which finds a good
    /// token that is refused to be wrong.
    pub(super) fn about_token(&mut self, request: &Request, attempt: &Attempt) -> Option<Verdict> {
        let (Attempt::Answered(answer), Some(_)) = (attempt, &request.bearer) else { return None };
        let rotations = self.history.lock().rotations.clone();
        let tokens = self.person.as_mut().map(|person| person.tokens.as_mut())?;
        match (answer.status, tokens) {
            (401, None) => Some(Verdict::Renew),
            (401, Some(tokens)) => {
                tokens.stale = true;
                let is_before = |end: &Option<Instant>| end.is_none_or(|end| tokens.asked_at < end + KEYS_ARE_KNOWN);
                (tokens.doubtful || rotations.iter().any(is_before)).then_some(Verdict::Renew)
            }
            (503, Some(tokens)) if answer.text.contains(UNKNOWN_KEY) => {
                let wrong = rotations.is_empty() && tokens.asked_at.elapsed() > FIRST_KEY_IS_KNOWN;
                wrong.then(|| Verdict::Wrong(format!("503 although the key is known: {}", answer.text)))
            }
            _ => None,
        }
    }

    /// Returns when it has tokens that should be good.
    pub async fn renew(&mut self) {
        let mut left = None;
        loop {
            match self.person.as_mut() {
                None => self.register().await,
                Some(person) if person.has_good_tokens() => return,
                Some(Person { tokens: Some(tokens), .. }) if !(tokens.stale && tokens.doubtful) => self.refresh().await,
                Some(_) => self.log_in().await,
            }
            if self.person.as_ref().is_some_and(Person::has_good_tokens) {
                return;
            }
            if self.stop.is_cancelled() && left.get_or_insert_with(Instant::now).elapsed() > LAST_PATIENCE {
                self.history.lock().found(format!("{:?} gets no tokens although all is up", self.person));
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn register(&mut self) {
        let (email, asked_at) = (format!("{}@customers.example", self.token()), Instant::now());
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
        let request = Request::with_body(Method::POST, "/api/auth/register", &body);
        let verdict = self.attempt(Kind::Register, Side::Accounts, &request, &[201]).await;
        let Verdict::Definite(answer) = verdict else { return };
        let Some(mut granted) = self.granted(&answer) else { return };
        let Some(user) = granted.user.take() else { return };
        self.person = Some(Person { id: user.id, email, tokens: Some(Tokens::new(granted, asked_at, false)) });
        // What another person ordered is not this one's.
        self.known.clear();
        self.due.clear();
    }

    async fn log_in(&mut self) {
        let Some(person) = self.person.clone() else { return };
        let (body, asked_at) = (json!({"email": person.email, "password": PASSWORD}), Instant::now());
        let request = Request::with_body(Method::POST, "/api/auth/login", &body);
        // Log-ins that break off count as failed ones: after some, the next one has to wait.
        let verdict = self.attempt(Kind::LogIn, Side::Accounts, &request, &[200, 429]).await;
        let Verdict::Definite(answer) = verdict else { return };
        if answer.status == 200 {
            let tokens = self.granted(&answer).map(|granted| Tokens::new(granted, asked_at, false));
            self.person = Some(Person { tokens, ..person });
        }
    }

    /// Takes the refresh token for the next two.
    pub async fn refresh(&mut self) {
        let Some(tokens) = self.person.as_ref().and_then(|person| person.tokens.clone()) else { return };
        let (body, asked_at) = (json!({"refreshToken": tokens.refresh}), Instant::now());
        let request = Request::with_body(Method::POST, "/api/auth/refresh", &body);
        let next = match self.attempt(Kind::Refresh, Side::Accounts, &request, &[200, 401]).await {
            Verdict::Definite(answer) if answer.status == 200 => {
                self.granted(&answer).map(|granted| Tokens::new(granted, asked_at, tokens.doubtful))
            }
            Verdict::Definite(answer) => {
                if !tokens.doubtful {
                    self.history.lock().found(format!("a refresh token was not taken: {}", answer.text));
                }
                None
            }
            Verdict::Unknown => Some(Tokens { doubtful: true, ..tokens }),
            Verdict::NotSent | Verdict::Renew | Verdict::Wrong(_) => Some(tokens),
        };
        if let Some(person) = &mut self.person {
            person.tokens = next;
        }
    }

    /// Ends the session. From the answer on, its tokens are to be refused.
    pub async fn log_out(&mut self) {
        let Some(tokens) = self.person.as_mut().and_then(|person| person.tokens.take()) else { return };
        let request = Request::with_body(Method::POST, "/api/auth/logout", &json!({"refreshToken": tokens.refresh}));
        let settled = self.until_definite(Kind::LogOut, Side::Accounts, &request, &[204]).await;
        if settled.answer.is_some() {
            self.history.lock().ended.push(tokens.access);
        }
    }

    fn granted(&self, answer: &Answer) -> Option<Granted> {
        let read = serde_json::from_str(&answer.text);
        read.inspect_err(|error| self.history.lock().found(format!("no tokens in an answer: {error}"))).ok()
    }
}
