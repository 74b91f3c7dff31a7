//! How an API key is written: `oms_<id>_<secret>_<check>`.
//!
//! Scanners of code find it by its beginning. The check at the end refuses what was mistyped or cut off, without asking
//! anybody.

use uuid::Uuid;

/// How every key begins.
pub const PREFIX: &str = "oms_";

/// Characters of the secret: 190 bits.
pub const SECRET: usize = 32;

/// What a secret is made of.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key of this id, with a secret of [`SECRET`] characters of [`BASE62`].
pub fn write(id: Uuid, secret: &str) -> String {
    let begun = format!("{PREFIX}{}_{secret}", id.simple());
    let check = check(&begun);
    format!("{begun}_{check}")
}

/// The id in a key, provided that the key is written as it must be.
pub fn read(key: &str) -> Option<Uuid> {
    let (begun, written) = key.rsplit_once('_')?;
    let (id, secret) = begun.strip_prefix(PREFIX)?.split_once('_')?;
    let whole = secret.len() == SECRET && secret.bytes().all(|c| BASE62.contains(&c)) && written == check(begun);
    // Of the ways to write a UUID only this one is ours.
    let id = id.parse::<Uuid>().ok().filter(|parsed| parsed.simple().to_string() == id)?;
    whole.then_some(id)
}

/// The CRC-32 of a text, in hexadecimal digits.
fn check(text: &str) -> String {
    let sum = !text.bytes().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    });
    format!("{sum:08x}")
}

#[cfg(test)]
mod tests {
    use super::{check, read, write};
    use uuid::Uuid;

    const ID: Uuid = Uuid::from_u128(0x01936f5e_7c3a_7b1e_8a4e_3f1d2c5b6a70);
    const SECRET: &str = "0123456789abcdefghijABCDEFGHIJxy";

    #[test]
    fn a_key_tells_its_id() {
        let key = write(ID, SECRET);
        assert!(key.starts_with("oms_01936f5e7c3a7b1e8a4e3f1d2c5b6a70_0123456789abcdefghijABCDEFGHIJxy_"), "{key}");
        assert_eq!(read(&key), Some(ID));
    }

    #[test]
    fn the_check_is_a_crc() {
        // The check value of its definition.
        assert_eq!(check("123456789"), "cbf43926");
    }

    #[test]
    fn a_slip_is_found_without_asking() {
        let key = write(ID, SECRET);
        for place in 0..key.len() {
            let mut slip = key.clone().into_bytes();
            slip[place] = if slip[place] == b'1' { b'2' } else { b'1' };
            assert_eq!(read(&String::from_utf8(slip).unwrap()), None, "at {place}");
            assert_eq!(read(&key[..place]), None, "cut off at {place}");
        }
        let upper = key.replace("01936f5e7c3a7b1e8a4e3f1d2c5b6a70", "01936F5E7C3A7B1E8A4E3F1D2C5B6A70");
        for other in ["", "oms_", "oms___", "Bearer x", &format!("{key}x"), &format!(" {key}"), &upper] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
