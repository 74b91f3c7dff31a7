//! Codes that people type: eight letters and digits that nobody takes for each other.

/// Letters and digits that nobody takes for each other (Crockford's Base32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code: 40 bits.
pub const LENGTH: usize = 8;

/// The code that these bytes make, five bits of each, as people read it: `7K2M-Q9XB`.
pub fn written(bytes: [u8; LENGTH]) -> String {
    let letters: Vec<char> =
        bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).copied().map(char::from).collect();
    let (head, tail) = letters.split_at(LENGTH / 2);
    format!("{}-{}", String::from_iter(head), String::from_iter(tail))
}

/// The code as it is compared: what people leave out, add or take for something else does not count.
pub fn canonical(typed: &str) -> String {
    let letters = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').take(LENGTH + 1);
    let letters = letters.map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::{canonical, written};

    #[test]
    fn a_code_is_eight_characters_that_nobody_mixes_up() {
        let code = written([0, 7, 10, 18, 20, 31, 32, 255]);
        assert_eq!(code, "07AJ-MZ0Z");
        let all: String = (0..32).step_by(8).map(|n| written(std::array::from_fn(|i| n + i as u8))).collect();
        assert!(!all.contains(['I', 'L', 'O', 'U']), "{all}");
    }

    #[test]
    fn a_code_is_taken_as_people_type_it() {
        for typed in ["7K2M-Q9X0", "7k2mq9xo", " 7k2m q9xO ", "7K2M--Q9X0"] {
            assert_eq!(canonical(typed), "7K2MQ9X0", "{typed:?}");
        }
        assert_eq!(canonical("il"), "11");
        assert_eq!(canonical(&"A".repeat(1000)).len(), 9);
    }
}
