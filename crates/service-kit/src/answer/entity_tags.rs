//! Entity tags in `If-Match` and `If-None-Match`, by the grammar of RFC 9110, 8.8.3.

use axum::http::{HeaderMap, HeaderName};

/// How two entity tags are compared (RFC 9110, 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    /// A weak tag equals nothing.
    Strong,
    /// Weak and strong are the same.
    Weak,
}

/// Whether a header names the entity tag of what exists; none where the header is missing. `*` names whatever exists. A value
/// outside of the grammar names nothing.
pub(super) fn named(request: &HeaderMap, header: &HeaderName, tag: Option<&str>, how: Comparison) -> Option<bool> {
    let mut lines = request.get_all(header).iter();
    let first = lines.next()?;
    if lines.next().is_none() && first.as_bytes().trim_ascii() == b"*" {
        return Some(true);
    }
    let mut found = false;
    for line in request.get_all(header) {
        let mut rest = line.as_bytes();
        while let Some(read) = next(rest) {
            let Some((weak, opaque, behind)) = read else { return Some(false) };
            let comparable = how == Comparison::Weak || !weak;
            found |= comparable && tag.is_some_and(|tag| tag.as_bytes() == opaque);
            rest = behind;
        }
    }
    Some(found)
}

/// Whether a tag is weak, its opaque part with the quotes, and what is left of the list.
type Element<'a> = (bool, &'a [u8], &'a [u8]);

/// The next tag of a list. The outer none is the end of the list, the inner one a value outside of the grammar.
fn next(list: &[u8]) -> Option<Option<Element<'_>>> {
    let start = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let (weak, rest) = list[start..].strip_prefix(b"W/").map_or((false, &list[start..]), |rest| (true, rest));
    Some(tag(rest).map(|(opaque, behind)| (weak, opaque, behind)))
}

fn tag(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let content = rest.strip_prefix(b"\"")?;
    let end = content.iter().position(|byte| *byte == b'"')?;
    let is_allowed = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
    let (opaque, behind) = rest.split_at(end + 2);
    let ends = behind.trim_ascii_start().first().is_none_or(|byte| *byte == b',');
    (ends && content[..end].iter().all(is_allowed)).then_some((opaque, behind))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, named};
    use axum::http::{HeaderMap, HeaderValue, header};

    fn names(lines: &[&[u8]], how: Comparison) -> Option<bool> {
        let lines = lines.iter().map(|line| (header::IF_MATCH, HeaderValue::from_bytes(line).unwrap()));
        named(&lines.collect::<HeaderMap>(), &header::IF_MATCH, Some("\"7\""), how)
    }

    #[test]
    fn lists_and_several_lines_are_read() {
        for lines in [
            &[&b"\"7\""[..]][..],
            &[b" \"1\" , ,\"7\","],
            &[b"\"1\"", b"\"7\""],
            &[b"*"],
            &[b"\"a,b\", \"7\""],
            &[b"\"\xfc\",\"7\""],
        ] {
            assert_eq!(names(lines, Comparison::Strong), Some(true), "{lines:?}");
        }
        assert_eq!(names(&[], Comparison::Strong), None);
        assert_eq!(names(&[b"\"8\""], Comparison::Strong), Some(false));
    }

    #[test]
    fn a_weak_tag_equals_a_strong_one_only_weakly() {
        assert_eq!(names(&[b"W/\"7\""], Comparison::Strong), Some(false));
        assert_eq!(names(&[b"W/\"7\""], Comparison::Weak), Some(true));
    }

    #[test]
    fn what_is_outside_of_the_grammar_names_nothing() {
        for line in [
            &b"\"a b\""[..],
            b"W/\"a b\"",
            b"\"7",
            b"7",
            b"\"7\" x",
            b"\"7\", \"a\tb\"",
            b"w/\"7\"",
            b"*, \"7\"",
            b"\"7\"\"7\"",
            b"",
            b"null",
            b"\"7\", *",
        ] {
            assert_eq!(names(&[line], Comparison::Weak), Some(false), "{line:?}");
        }
        assert_eq!(names(&[b"*", b"\"7\""], Comparison::Weak), Some(false));
    }
}
