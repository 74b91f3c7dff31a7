//! Which characters a text may have: none that a reader cannot see, or that makes the text look like another one.

use crate::folding;
use std::borrow::Cow;

/// A character that a text may not have, in words: `a tab (U+0009)`.
fn named(c: char) -> String {
    let what = match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => "a line end",
        '\t' => "a tab",
        c if c.is_control() => "a control character",
        c if turns_text(c) => "a character that changes the direction of text",
        _ => "an invisible character",
    };
    format!("{what} (U+{:04X})", u32::from(c))
}

/// What a text of one line may not have.
pub fn unfit_for_a_line(text: &str) -> Option<String> {
    unfit(text, |c| c.is_control() || is_line_separator(c))
}

/// What a text of several lines may not have, once its lines end with `\n`.
pub fn unfit_for_lines(text: &str) -> Option<String> {
    unfit(text, |c| c.is_control() && c != '\n')
}

fn unfit(text: &str, refused: fn(char) -> bool) -> Option<String> {
    if text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return None;
    }
    let mut before = ' ';
    for c in text.chars() {
        if refused(c) || (is_invisible(c) && !joins(before, c)) {
            return Some(named(c));
        }
        before = c;
    }
    None
}

/// The text with `\n` for every kind of line end, and a blank for a tab.
pub fn unix_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(['\r', '\t', '\u{2028}', '\u{2029}']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n").replace('\t', " "))
}

/// Whether there is nothing in a text that a reader sees.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c) || c == '\u{2800}')
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks that turn the direction of the text behind them (Unicode TR 36, 2.4).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are shown as nothing: Default_Ignorable_Code_Point of Unicode, and a few that fonts leave blank.
pub fn is_invisible(c: char) -> bool {
    folding::is_invisible(c) || matches!(c, '\u{fff9}'..='\u{fffb}')
}

/// Whether an invisible character shapes the visible one before it. Scripts such as Persian and Hindi, and emoji of several
/// parts, need that; in Latin text the same characters only hide.
fn joins(before: char, c: char) -> bool {
    let shaped = before >= '\u{600}' && !is_invisible(before) && !before.is_whitespace();
    let shaped_twice = c == '\u{200d}' && before == '\u{fe0f}';
    (shaped || shaped_twice) && matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
        || (before.is_ascii_digit() || matches!(before, '#' | '*' | '©' | '®')) && c == '\u{fe0f}'
}
