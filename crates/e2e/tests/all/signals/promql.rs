//! Which metrics a PromQL expression names.

use std::collections::BTreeSet;

/// Words of the language that stand where a name could.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];

/// Words behind which labels stand in brackets.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The names of metrics in an expression: what is neither a function, a label, a word of the language nor a text.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            rest = behind(&rest[1..], first);
        } else if first == '{' {
            rest = behind_matchers(&rest[1..]);
        } else if first == '[' {
            rest = behind(rest, ']');
        } else if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            let (name, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            // sum(a), sum by (b) (a)
            let has_brackets = ["(", "by ", "by(", "without"].iter().any(|it| after.trim_start().starts_with(it));
            rest = after;
            if has_brackets && BEFORE_LABELS.contains(&name) {
                rest = behind(after, ')');
            } else if !has_brackets && !WORDS.contains(&name) {
                found.insert(name.to_owned());
            }
        } else if first.is_ascii_digit() {
            // 5m, 1e9, 0.25
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

fn behind(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, after)| after)
}

/// Behind the `}` that is in no text.
fn behind_matchers(text: &str) -> &str {
    let mut inside = false;
    let end = text.find(|c| {
        inside ^= c == '"';
        c == '}' && !inside
    });
    end.map_or("", |end| &text[end + 1..])
}

#[test]
fn names_are_told_from_functions_labels_and_texts() {
    let expression = r#"label_replace(sum by (job, le) (rate(a_bucket{x=~"b{1}|c"}[5m])), "d", "e", "", "") > 14.4 * 0.001
                        and on (queue) max(f:g{}) unless time() - h offset 1h == bool 1e9 or vector(1)"#;
    let expected = ["a_bucket", "f:g", "h"].map(str::to_owned);
    assert_eq!(metrics(expression), BTreeSet::from(expected));
}
