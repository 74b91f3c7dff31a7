//! Hashing with argon2id, in the parameters that OWASP recommends: 19 MiB, twice.

use super::domain::Password;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Compared with where there is no account, so that it takes as long as with one. Nobody knows its password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$yc9vUUwdGcnqhTqFxhqBpA$LwPMsQ2g3R6O1lqK1SmuTYPjGuHXHTFpCMfmX1oWt8I";

/// The metric that counts hashes, to keep or to compare them.
pub const HASHES: &str = "password_hashes_total";

/// Most that a hash in the database may ask of this process: memory in KiB, rounds and lanes.
const MOST: (u32, u32, u32) = (64 * 1024, 8, 4);

/// The hash of a new password, with its salt and parameters (PHC string).
pub fn hash(password: &Password) -> Result<String, password_hash::Error> {
    Ok(hasher().hash_password(password.bytes())?.to_string())
}

/// Whether it is the password of the hash. It is compared with a hash in any case: where there is none, or one that asks for
/// too much, with that of nobody.
pub fn matches(password: &Password, kept: Option<&str>) -> bool {
    let kept = kept.and_then(|kept| PasswordHash::new(kept).ok()).filter(is_affordable);
    let Some(hash) = kept.as_ref().map_or_else(|| PasswordHash::new(NOBODY).ok(), |hash| Some(hash.clone())) else {
        return false;
    };
    let matches = hasher().verify_password(password.bytes(), &hash).is_ok();
    matches && kept.is_some()
}

/// What hashes one password. It is counted, so that it shows where somebody is answered without a hash.
fn hasher() -> Argon2<'static> {
    metrics::counter!(HASHES).increment(1);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn is_affordable(hash: &PasswordHash) -> bool {
    Params::try_from(hash)
        .is_ok_and(|asked| asked.m_cost() <= MOST.0 && asked.t_cost() <= MOST.1 && asked.p_cost() <= MOST.2)
}

#[cfg(test)]
mod tests {
    use super::{NOBODY, hash, is_affordable, matches};
    use crate::passwords::domain::Password;
    use argon2::Params;
    use argon2::password_hash::phc::PasswordHash;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let kept = hash(&Password::typed("correct horse")).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(matches(&Password::typed("correct horse"), Some(&kept)));
        assert!(!matches(&Password::typed("correct horsE"), Some(&kept)));
        assert!(!matches(&Password::typed("correct horse"), None));
        assert_ne!(kept, hash(&Password::typed("correct horse")).unwrap(), "each has its own salt");
    }

    #[test]
    fn nobodys_hash_costs_what_everybodys_costs() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let made = hash(&Password::typed("x")).unwrap();
        let made = PasswordHash::new(&made).unwrap();
        assert_eq!(Params::try_from(&parsed).unwrap(), Params::try_from(&made).unwrap());
        assert_eq!(parsed.hash.map(|it| it.len()), Some(Params::DEFAULT_OUTPUT_LEN));
        assert_eq!(parsed.salt.map(|it| it.len()), Some(16));
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_not_computed() {
        for dear in ["m=1048576,t=2,p=1", "m=19456,t=999,p=1", "m=19456,t=2,p=64"] {
            let kept = NOBODY.replace("m=19456,t=2,p=1", dear);
            let affordable = PasswordHash::new(&kept).is_ok_and(|hash| is_affordable(&hash));
            assert!(!affordable, "{dear}");
            assert!(!matches(&Password::typed("x"), Some(&kept)));
        }
        assert!(!matches(&Password::typed("x"), Some("no hash")));
    }
}
