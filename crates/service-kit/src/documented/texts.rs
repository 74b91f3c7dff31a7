//! Patterns of texts, for the OpenAPI document only. They say what [`characters`](crate::validation::characters) refuses, but
//! for marks that join the letters of some scripts: those are taken where they join.

/// One line, or nothing.
pub(super) const LINE: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*$"
);

/// One line with something to see.
pub(super) const VISIBLE_LINE: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*[^\s\u2800\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"][^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*$"
);

/// Several lines, or nothing.
pub(super) const LINES: &str = concat!(
    r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*$"
);

/// Several lines with something to see.
pub(super) const VISIBLE_LINES: &str = concat!(
    r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*[^\s\u2800\u2028\u2029\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"][^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
    "\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}",
    r"]*$"
);

#[cfg(test)]
mod tests {
    use super::{LINE, LINES};
    use crate::validation::characters::{is_invisible, unfit_for_a_line, unfit_for_lines, unix_lines};

    /// Whether the class in a pattern such as `^[^…]*$` lets a character through.
    fn lets_through(pattern: &str, c: char) -> bool {
        let pattern = &pattern[..pattern.find('\u{1bca0}').unwrap()];
        let class: Vec<&str> = pattern.trim_start_matches("^[^").trim_end_matches("]*$").split("\\u").skip(1).collect();
        let code = |text: &str| u32::from_str_radix(text, 16).unwrap();
        let mut ranges = Vec::new();
        for (index, part) in class.iter().enumerate() {
            let start = code(&part[..4]);
            let end = if part.ends_with('-') { code(&class[index + 1][..4]) } else { start };
            ranges.push(start..=end);
        }
        !ranges.iter().any(|range| range.contains(&u32::from(c)))
    }

    #[test]
    fn the_patterns_say_what_is_refused() {
        // Those beyond the first plane stand in the patterns as they are.
        for c in (0..=0xffff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert_eq!(lets_through(LINE, c), unfit_for_a_line(&text).is_none(), "{c:?}");
            let refused = unfit_for_lines(&unix_lines(&text)).is_some();
            assert_eq!(lets_through(LINES, c), !refused, "{c:?} {}", is_invisible(c));
        }
    }
}
