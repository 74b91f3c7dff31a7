//! What the providers of e-mail and SMS have in common: how they answer.

use std::time::Duration;

/// A provider has taken the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// What the provider calls it, for its later reports.
    pub provider_id: Option<String>,
}

/// Why a provider did not take a message. The texts name no address and no number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// This message can never be sent.
    #[error("refused: {0}")]
    Refused(String),
    /// This message cannot be sent now; the attempt counts.
    #[error("put off: {reason}")]
    PutOff {
        /// What the provider said.
        reason: String,
        /// How long it wants to be left alone with it.
        retry_after: Option<Duration>,
    },
    /// The provider is away, or takes nothing from anybody; no message's attempt.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What is wrong.
        reason: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What a provider said, fit for the notification log: in one line, not too long, and without whom the message was for,
/// whom providers like to quote.
pub fn without_recipient(said: &str, recipient: &str) -> String {
    let local = recipient.split('@').next().unwrap_or_default().to_lowercase();
    let number: String = recipient.chars().filter(char::is_ascii_digit).collect();
    let names_somebody = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let digits: String = word.chars().filter(char::is_ascii_digit).collect();
        word.contains('@') || (!local.is_empty() && bare == local) || (digits.len() > 6 && number.ends_with(&digits))
    };
    let words = said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if names_somebody(word) { "[recipient]" } else { word }).collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::without_recipient;

    #[test]
    fn what_a_provider_said_names_nobody() {
        let said = "5.1.1 <ada@example.com>:\r\nuser \"Ada\" unknown; asked for <ada@example.com>";
        let kept = without_recipient(said, "ada@example.com");
        assert_eq!(kept, "5.1.1 [recipient] user [recipient] unknown; asked for [recipient]");
        assert_eq!(
            without_recipient("442079460000 is no mobile number", "+442079460000"),
            "[recipient] is no mobile number"
        );
        assert_eq!(without_recipient("code 4", "+442079460000"), "code 4");
        assert_eq!(without_recipient(&"long ".repeat(1000), "ada@example.com").chars().count(), 300);
    }
}
