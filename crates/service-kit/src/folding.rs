//! One way to tell whether two texts are the same to a reader, whatever their case and normal form.
//!
//! It follows the tables of Unicode alone, never the locale of a server. So what is unique, found or erased is the same
//! wherever the service runs.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// The text as it is compared: invisible characters removed, blanks of any kind and number made one, composed (NFC), and
/// folded by case in full.
///
/// Folding what is folded changes nothing. A text of invisible characters only folds to an empty one.
pub fn fold(text: &str) -> String {
    let plain = !text.contains("  ") && !text.contains(|c: char| c != ' ' && c.is_ascii_whitespace());
    if text.is_ascii() && plain {
        return text.to_ascii_lowercase();
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c != ' ' || !visible.ends_with(' ') {
            visible.push(c);
        }
    }
    let composer = const { ComposingNormalizer::new_nfc() };
    let folded = CaseMapper::new().fold_string(&composer.normalize(&visible)).into_owned();
    composer.normalize(&folded).into_owned()
}

/// Whether a character shows nothing by itself: zero width, marks of direction, variation selectors, fillers
/// (`Default_Ignorable_Code_Point` of Unicode).
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::{fold, is_invisible};

    #[track_caller]
    fn same(texts: &[&str], folded: &str) {
        for text in texts {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    #[test]
    fn case_is_folded_in_full() {
        same(&["LAPTOP-001", "Laptop-001", "laptop-001"], "laptop-001");
        same(&["Straße", "STRASSE", "STRA\u{1E9E}E", "strasse"], "strasse");
        same(&["Οδός", "ΟΔΌΣ", "οδόσ"], "οδόσ");
        same(&["\u{1C5}", "\u{1C4}", "\u{1C6}"], "\u{1C6}");
        same(&["Ährenkranz", "ÄHRENKRANZ", "ährenkranz"], "ährenkranz");
        same(&["Привет", "ПРИВЕТ"], "привет");
        same(&["\u{FB03}", "FFI"], "ffi");
    }

    #[test]
    fn blanks_are_the_same() {
        same(&["a b", "A\u{a0}B", "a\u{2003}b", "a  b", "a \u{202f} b", "a\tb"], "a b");
    }

    #[test]
    fn normal_forms_are_the_same() {
        same(&["café", "cafe\u{301}", "CAFE\u{301}", "CAFÉ"], "café");
        same(&["\u{212B}", "A\u{30A}", "Å"], "å");
        same(&["\u{3A9}", "\u{2126}"], "ω");
    }

    #[test]
    fn turkish_letters_fold_the_same_on_every_server() {
        same(&["I", "i"], "i");
        same(&["\u{130}", "I\u{307}", "i\u{307}"], "i\u{307}");
        same(&["\u{131}"], "\u{131}");
    }

    #[test]
    fn invisible_characters_do_not_count() {
        same(
            &["A\u{200B}-1", "\u{202A}a-1\u{202C}", "A\u{FE0F}-1", "a\u{3164}-\u{2060}1", "\u{FEFF}a-1", "a-\u{AD}1"],
            "a-1",
        );
        same(&["e\u{200D}\u{301}"], "é");
        same(&["\u{3164}\u{FFA0}\u{115F}\u{180E}\u{E0041}"], "");
        assert!(['a', ' ', '\u{A0}', 'é', '\u{301}', '中', '🙂'].into_iter().all(|c| !is_invisible(c)));
    }

    #[test]
    fn folding_twice_is_folding_once() {
        // No letter beyond has a case.
        for c in '\0'..='\u{1FFFF}' {
            let once = fold(&format!("e{c}\u{301}"));
            assert_eq!(fold(&once), once, "{c:?}");
        }
    }
}
