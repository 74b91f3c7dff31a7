//! A message as a mail program reads it.

use mailparse::{MailHeaderMap, ParsedMail};

/// A message that the server has taken.
#[derive(Clone, Debug)]
pub struct Received {
    /// Who sends it, as the server was told.
    pub from: String,
    /// Who gets it, as the server was told.
    pub to: Vec<String>,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// Who had logged in.
    pub user: Option<String>,
    pub bytes: Vec<u8>,
}

impl Received {
    /// A header, decoded; empty where there is none. Fails the test where it comes twice.
    pub fn header(&self, name: &str) -> String {
        let values = self.parsed().headers.get_all_values(name);
        assert!(values.len() <= 1, "{name} comes {} times", values.len());
        values.into_iter().next().unwrap_or_default()
    }

    /// The names of all headers, in order.
    pub fn header_names(&self) -> Vec<String> {
        self.parsed().headers.iter().map(mailparse::MailHeader::get_key).collect()
    }

    /// The subject.
    pub fn subject(&self) -> String {
        self.header("Subject")
    }

    /// The Message-ID with its brackets.
    pub fn message_id(&self) -> String {
        self.header("Message-ID")
    }

    /// The plain-text part.
    pub fn text(&self) -> String {
        self.part("text/plain")
    }

    /// The HTML part.
    pub fn html(&self) -> String {
        self.part("text/html")
    }

    /// The length of the longest line as it went over the wire; RFC 5322 allows 998.
    pub fn longest_line(&self) -> usize {
        self.bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or_default()
    }

    fn part(&self, mime: &str) -> String {
        let parsed = self.parsed();
        assert_eq!(parsed.ctype.mimetype, "multipart/alternative");
        let part = parsed.subparts.iter().find(|part| part.ctype.mimetype == mime);
        part.unwrap_or_else(|| panic!("no part {mime}")).get_body().expect("a body").replace("\r\n", "\n")
    }

    fn parsed(&self) -> ParsedMail<'_> {
        mailparse::parse_mail(&self.bytes).expect("a message that can be read")
    }
}
