//! What nobody else may know of the development system, such as the key under which account-service seals its secrets:
//! made once, and kept with the data.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::process::output_of;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The key that the environment gives, else that of the development folder, where it is made if there is none. Never shown.
pub fn master_key(workspace: &Workspace, variable: &str) -> Result<String> {
    match std::env::var(variable) {
        Ok(given) if !given.is_empty() => Ok(given),
        _ => kept(&workspace.dev_folder().join("account-master-key"), key),
    }
}

/// The password of somebody in the sample data.
pub fn password_of(workspace: &Workspace, name: &str) -> Result<String> {
    kept(&workspace.dev_folder().join(format!("password-of-{name}")), password)
}

/// The key pair by which a service says who it is to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// For the service itself.
    pub private: PathBuf,
    /// For those that it calls.
    pub public: PathBuf,
}

/// The key of this service, made once by openssl. None where there is no openssl: on one machine the services need none.
pub fn service_key(folder: &Path, service: &str) -> Result<Option<ServiceKey>> {
    let file = |ending: &str| folder.join(format!("{service}.{ending}"));
    let key = ServiceKey { private: file("key"), public: file("pub") };
    if key.public.exists() {
        return Ok(Some(key));
    }
    let mut make = Command::new("openssl");
    make.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]).arg(&key.private);
    match make.output() {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(TestbedError::io("cannot write", &key.private, &cause)),
        Ok(made) if !made.status.success() => {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(TestbedError::new(format!("openssl made no key: {said}")));
        }
        Ok(_) => {}
    }
    let mut publish = Command::new("openssl");
    output_of(publish.args(["pkey", "-pubout", "-in"]).arg(&key.private).arg("-out").arg(&key.public))?;
    Ok(Some(key))
}

/// The content of the file, which is made of random bytes where there is none.
fn kept(path: &Path, make: fn([u8; DIGITS]) -> String) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(key) => return Ok(key),
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(TestbedError::io("cannot read", path, &cause));
        }
        Err(_) => {}
    }
    let mut random = [0; DIGITS];
    let source = Path::new("/dev/urandom");
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(|cause| TestbedError::io("cannot read", source, &cause))?;
    let secret = make(random);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(secret.as_bytes()))
        .map_err(|cause| TestbedError::io("cannot write", path, &cause))?;
    Ok(secret)
}

/// Digits of 32 bytes in Base64, before the sign that fills them up.
const DIGITS: usize = 43;

/// A key of 32 bytes in Base64, each digit from a random byte. The last one has four bits of the key, and two that are zero.
fn key(random: [u8; DIGITS]) -> String {
    let digits = random.iter().enumerate().map(|(place, byte)| if place + 1 < DIGITS { byte & 63 } else { byte & 60 });
    digits.map(|digit| char::from(BASE64[usize::from(digit)])).chain(['=']).collect()
}

/// Four groups of five lower-case letters and digits, none of which looks like another: 100 bits.
fn password(random: [u8; DIGITS]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    let letters: Vec<char> = random.iter().take(20).map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
    letters.chunks(5).map(String::from_iter).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::{DIGITS, kept, key, password, service_key};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_32_bytes_in_base64() {
        // As `head -c 32 /dev/zero | base64`, and with all bits set, print it.
        assert_eq!(key([0; DIGITS]), format!("{}=", "A".repeat(43)));
        assert_eq!(key([255; DIGITS]), format!("{}8=", "/".repeat(42)));
    }

    #[test]
    fn a_service_key_is_made_once_and_read_by_its_owner_alone() {
        let folder = std::env::temp_dir().join(format!("service-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Where there is no openssl, there is nothing to be seen.
        if let Some(key) = service_key(&folder, "order-service").unwrap() {
            let read = |path| std::fs::read_to_string(path).unwrap();
            let (private, public) = (read(&key.private), read(&key.public));
            assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"), "{private}");
            assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"), "{public}");
            assert_eq!(std::fs::metadata(&key.private).unwrap().permissions().mode() & 0o077, 0);
            assert_eq!(service_key(&folder, "order-service").unwrap().as_ref(), Some(&key));
            assert_eq!(read(&key.private), private);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_password_can_be_typed() {
        assert_eq!(password([0; DIGITS]), "aaaaa-aaaaa-aaaaa-aaaaa");
        assert_eq!(password([255; DIGITS]), "00000-00000-00000-00000");
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("master-key-{}", std::process::id()));
        let first = kept(&path, key).unwrap();
        assert_eq!(kept(&path, key).unwrap(), first);
        assert_eq!(first.len(), 44);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
    }
}
