//! How long somebody waits after so many failed log-ins.

use crate::sealing::sha256;
use time::Duration;
use uuid::Uuid;

/// Failures from one network that cost no wait.
const FREE: u32 = 5;

/// Failures in a row, from all networks, after which only a code helps (NIST SP 800-63B, 3.2.2).
pub const MOST_IN_A_ROW: i32 = 100;

/// Longest wait.
const LONGEST: Duration = Duration::minutes(15);

/// Who tries to log in to which account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guesser {
    /// The account by the hash of its address.
    pub account: Vec<u8>,
    /// From where.
    pub network: String,
}

impl Guesser {
    /// Somebody in a network who tries the account of an e-mail address, by its key.
    pub fn new(email_key: &str, network: String) -> Self {
        Self { account: account_of(email_key), network }
    }

    /// Somebody with a token of a session who tries its person's password.
    pub fn in_session(session: Uuid) -> Self {
        Self { account: account_of(&session.to_string()), network: "session".to_owned() }
    }
}

/// What stands for an account in the table.
pub fn account_of(email_key: &str) -> Vec<u8> {
    sha256(email_key.as_bytes())
}

/// The wait after this many failures: none after the first four, then 1, 2, 4, 8 and 15 minutes.
pub fn wait_after(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE) else { return Duration::ZERO };
    let minutes = 1_i64.checked_shl(doublings.min(10)).unwrap_or(i64::MAX);
    Duration::minutes(minutes).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{Guesser, wait_after};

    #[test]
    fn five_tries_are_free_and_each_further_one_waits_longer() {
        let waits: Vec<i64> = (0..12).map(|failures| wait_after(failures).whole_minutes()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(wait_after(u32::MAX).whole_minutes(), 15);
    }

    #[test]
    fn a_guesser_shows_no_address() {
        let guesser = |email: &str| Guesser::new(email, "203.0.113.7".to_owned());
        assert_ne!(guesser("ada@example.com"), guesser("eve@example.com"));
        assert!(!format!("{:?}", guesser("ada@example.com")).contains("ada"));
    }
}
