//! What a session is, how long it lasts, and what a refresh token that comes again means.

use super::config::Config;
use crate::passwords::Password;
use crate::sealing::{Unsealable, random};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use service_kit::access::{Principal, Role};
use service_kit::body::Body;
use service_kit::contact::{EmailAddress, parse_email};
use service_kit::validation::FieldErrors;
use std::collections::BTreeSet;
use std::fmt;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

/// For operations that need a person who proved lately who they are.
const LATELY: Duration = Duration::minutes(10);

/// Refreshes of one session within [`REFRESHES_WITHIN`]. A token is good for ten minutes, so this is for pages that ask for one
/// each time they are loaded. A row of each refresh is kept for as long as its session, and longer.
pub const MOST_REFRESHES: i32 = 60;

const REFRESHES_WITHIN: Duration = Duration::minutes(10);

/// Bytes of a refresh token: nobody guesses one.
const TOKEN: usize = 32;

/// What somebody logs in with. `Debug` does not show it.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct LogIn {
    /// The address of the account.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub email: Option<String>,
    /// Its password.
    #[schema(required, nullable = false, max_length = 1000, pattern = "", example = "plum-tractor-violin-9")]
    pub password: Option<String>,
}

impl fmt::Debug for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogIn")
    }
}

impl LogIn {
    /// The address and the password, whatever their length is.
    pub fn parse(self) -> Result<(EmailAddress, Password), FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = parse_email(&mut errors, "email", self.email);
        let password = Password::required(&mut errors, "password", self.password);
        let (Some(email), Some(password)) = (email, password) else { return Err(errors) };
        errors.into_result((email, password))
    }
}

impl Body for LogIn {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// A refresh token. `Debug` does not show it.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The token that came last.
    #[schema(required, nullable = false, max_length = 200, example = "rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub refresh_token: Option<String>,
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresh")
    }
}

impl Refresh {
    /// The token.
    pub fn parse(self) -> Result<String, FieldErrors> {
        let mut errors = FieldErrors::default();
        let token = errors.required_text("refreshToken", self.refresh_token, 200);
        errors.into_result(token)
    }
}

impl Body for Refresh {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// A new refresh token: 256 random bits that say nothing.
pub fn new_token() -> Result<String, Unsealable> {
    Ok(format!("rt_{}", BASE64URL_NOPAD.encode(&random::<TOKEN>()?)))
}

/// What a log-in and a refresh give. It has no `Debug`, so that it gets into no log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// To be sent as `Authorization: Bearer`.
    #[schema(example = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln")]
    pub access_token: String,
    /// How it is sent.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds for which it is good.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// Gives the next tokens, once.
    #[schema(example = "rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub refresh_token: String,
}

/// From where a session was begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// What the client calls itself.
    pub agent: Option<String>,
    /// Its network.
    pub network: String,
}

/// Why a session was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its person logged out.
    Logout,
    /// Its person ended it from elsewhere.
    Ended,
    /// The password was changed.
    Password,
    /// The account was disabled.
    Disabled,
    /// The account was erased.
    Erased,
    /// A used refresh token came again.
    Reuse,
}

impl Reason {
    /// As the table and events write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "LOGOUT",
            Self::Ended => "ENDED",
            Self::Password => "PASSWORD",
            Self::Disabled => "DISABLED",
            Self::Erased => "ERASED",
            Self::Reuse => "REUSE",
        }
    }
}

/// Until when a session lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// If it is not used before.
    pub idle_until: OffsetDateTime,
    /// In any case.
    pub absolute_until: OffsetDateTime,
}

/// The limits of a session that began then and is used now: staff have shorter ones than customers.
pub fn limits(config: &Config, roles: &BTreeSet<Role>, began: OffsetDateTime, now: OffsetDateTime) -> Limits {
    let is_staff = roles.contains(&Role::Admin) || roles.contains(&Role::Seller);
    let (idle, absolute) = if is_staff {
        (
            Duration::minutes(i64::from(config.staff_idle_minutes)),
            Duration::hours(i64::from(config.staff_absolute_hours)),
        )
    } else {
        (Duration::days(i64::from(config.refresh_idle_days)), Duration::days(i64::from(config.refresh_absolute_days)))
    };
    let absolute_until = began + absolute;
    Limits { idle_until: (now + idle).min(absolute_until), absolute_until }
}

/// How many seconds a session has to wait for its next refresh, where as many as it may have at once have begun then.
pub fn refresh_wait(earliest: OffsetDateTime, now: OffsetDateTime) -> Option<u32> {
    let wait = (earliest + REFRESHES_WITHIN - now).min(REFRESHES_WITHIN);
    (wait > Duration::ZERO).then(|| u32::try_from(wait.whole_seconds()).unwrap_or_default() + 1)
}

/// Whether a token that was used then may get its successor again now.
pub fn is_in_grace(grace: Duration, used_at: OffsetDateTime, now: OffsetDateTime) -> bool {
    grace > Duration::ZERO && now - used_at <= grace
}

/// Whether the caller proved lately who they are. Who may use the machine does so by being there.
pub fn recently_authenticated(principal: &Principal, now: OffsetDateTime) -> bool {
    match principal {
        Principal::LocalOperator => true,
        Principal::User(user) => {
            user.authenticated_at.is_some_and(|at| now.unix_timestamp() - at <= LATELY.whole_seconds())
        }
        Principal::Nobody | Principal::Service(_) => false,
    }
}

/// A session as its person sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The `sid` of its tokens.
    pub id: Uuid,
    /// When it began.
    #[serde(with = "shared_types::times")]
    pub created_at: OffsetDateTime,
    /// When it last gave tokens.
    #[serde(with = "shared_types::times")]
    pub last_used_at: OffsetDateTime,
    /// When it ends at the latest.
    #[serde(with = "shared_types::times")]
    pub absolute_until: OffsetDateTime,
    /// What the client called itself.
    #[schema(required, example = "curl/8.10.1")]
    pub agent: Option<String>,
    /// From which network.
    #[schema(required, example = "203.0.113.0/24")]
    pub network: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

#[cfg(test)]
mod tests {
    use super::{LogIn, Refresh, is_in_grace, limits, new_token, recently_authenticated, refresh_wait};
    use crate::sessions::Config;
    use service_kit::access::{Principal, Role, User};
    use std::sync::Arc;
    use time::{Duration, OffsetDateTime};
    use uuid::Uuid;

    const CONFIG: Config = Config {
        refresh_idle_days: 14,
        refresh_absolute_days: 30,
        staff_idle_minutes: 60,
        staff_absolute_hours: 12,
        refresh_grace_seconds: 10,
    };

    #[test]
    fn no_secret_is_shown() {
        let hush = || Some("hush".to_owned());
        let log_in = LogIn { email: hush(), password: hush() };
        assert!(!format!("{log_in:?} {:?}", Refresh { refresh_token: hush() }).contains("hush"));
    }

    #[test]
    fn staff_log_in_more_often() {
        let began = OffsetDateTime::UNIX_EPOCH;
        let of = |roles: &[Role], used| limits(&CONFIG, &roles.iter().copied().collect(), began, began + used);
        let customer = of(&[Role::Customer], Duration::ZERO);
        assert_eq!(customer.idle_until, began + Duration::days(14));
        assert_eq!(customer.absolute_until, began + Duration::days(30));
        assert_eq!(of(&[Role::Customer], Duration::days(20)).idle_until, began + Duration::days(30), "never longer");
        for staff in [&[Role::Admin][..], &[Role::Seller], &[Role::Customer, Role::Admin]] {
            let staff = of(staff, Duration::hours(1));
            assert_eq!(staff.idle_until, began + Duration::hours(2));
            assert_eq!(staff.absolute_until, began + Duration::hours(12));
        }
    }

    #[test]
    fn a_used_token_has_a_grace() {
        let used = OffsetDateTime::UNIX_EPOCH;
        let after = |seconds| is_in_grace(CONFIG.grace(), used, used + Duration::seconds(seconds));
        assert!(after(0) && after(10) && !after(11));
        assert!(after(-1), "the other request may have looked at its clock later");
        assert!(!is_in_grace(Duration::ZERO, used, used), "0 is never");
    }

    #[test]
    fn the_next_refresh_waits_until_the_earliest_is_ten_minutes_old() {
        let (earliest, minutes) = (OffsetDateTime::UNIX_EPOCH, Duration::minutes(10));
        assert_eq!(refresh_wait(earliest, earliest), Some(601));
        assert_eq!(refresh_wait(earliest, earliest + minutes - Duration::MILLISECOND), Some(1));
        assert_eq!(refresh_wait(earliest, earliest + minutes), None);
        assert_eq!(refresh_wait(earliest, earliest - minutes), Some(601), "clocks of hosts differ");
    }

    #[test]
    fn a_token_is_random() {
        let token = new_token().unwrap();
        assert_eq!(token.len(), 3 + 43);
        assert_ne!(token, new_token().unwrap());
    }

    #[test]
    fn a_proof_is_fresh_for_ten_minutes() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
        let proved = |ago: Option<i64>| {
            let authenticated_at = ago.map(|ago| now.unix_timestamp() - ago);
            let id = Uuid::now_v7();
            let user = User { id, session: None, roles: [Role::Admin].into(), authenticated_at, key: None };
            recently_authenticated(&Principal::User(Arc::new(user)), now)
        };
        assert!(proved(Some(0)) && proved(Some(600)) && !proved(Some(601)) && !proved(None));
        assert!(recently_authenticated(&Principal::LocalOperator, now));
        assert!(!recently_authenticated(&Principal::Nobody, now));
    }
}
