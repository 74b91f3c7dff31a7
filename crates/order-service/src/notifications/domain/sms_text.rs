//! How long a text is as an SMS: in the alphabet of GSM 03.38 a segment has 160 places, in UCS-2 only 70.

/// Places of a single segment in the GSM alphabet.
pub const SEGMENT: usize = 160;

/// The GSM alphabet without its extension.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension; each takes two places.
const EXTENSION: &str = "^{}\\[~]|€\u{c}";

/// Whether every character is in the GSM alphabet.
pub fn is_gsm(text: &str) -> bool {
    places(text).is_some()
}

/// Places the text takes in the GSM alphabet; none where it does not fit into that.
pub fn places(text: &str) -> Option<usize> {
    let place = |c: char| match c {
        c if BASIC.contains(c) => Some(1),
        c if EXTENSION.contains(c) => Some(2),
        _ => None,
    };
    text.chars().map(place).sum()
}

/// Whether the text is a single segment.
pub fn fits(text: &str) -> bool {
    places(text).map_or_else(|| text.encode_utf16().count() <= 70, |places| places <= SEGMENT)
}

/// With the typographic characters that programs put in as GSM has them, so that one dash does not cost half of the
/// segment.
pub fn simplified(text: &str) -> String {
    let simple = |c: char| match c {
        '\u{2018}' | '\u{2019}' | '\u{201a}' | '`' | '´' => "'".to_owned(),
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '«' | '»' => "\"".to_owned(),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "-".to_owned(),
        '\u{2026}' => "...".to_owned(),
        '\u{a0}' | '\u{202f}' | '\t' => " ".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(simple).collect()
}

#[cfg(test)]
mod tests {
    use super::{fits, is_gsm, places, simplified};

    #[test]
    fn the_alphabet_has_its_128_places_and_the_extension_two_each() {
        assert_eq!(super::BASIC.chars().count(), 127, "all but the escape");
        assert_eq!(places("Ada"), Some(3));
        assert_eq!(places("€5"), Some(3));
        assert_eq!(places("日本"), None);
        assert!(is_gsm("Größe: 5 £") && !is_gsm("Łódź"));
    }

    #[test]
    fn a_segment_has_160_places_or_70_characters() {
        assert!(fits(&"a".repeat(160)) && !fits(&"a".repeat(161)));
        assert!(fits(&"€".repeat(80)) && !fits(&"€".repeat(81)));
        assert!(fits(&"я".repeat(70)) && !fits(&"я".repeat(71)));
        assert!(!fits(&"😀".repeat(36)), "two units each");
    }

    #[test]
    fn typography_becomes_plain() {
        assert_eq!(simplified("it’s “late” – sorry…"), "it's \"late\" - sorry...");
    }
}
