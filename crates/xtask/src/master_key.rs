//! The key under which account-service of the development system seals its secrets: made once, and kept with the data.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};

const LENGTH: usize = 32;

/// The key that the environment gives, else that of the development folder, where it is made if there is none. Never shown.
pub fn of(workspace: &Workspace, variable: &str) -> Result<String> {
    match std::env::var(variable) {
        Ok(given) if !given.is_empty() => Ok(given),
        _ => kept(&workspace.dev_folder().join("account-master-key")),
    }
}

fn kept(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(key) => return Ok(key),
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            return Err(TestbedError::io("cannot read", path, &cause));
        }
        Err(_) => {}
    }
    let mut random = [0; LENGTH];
    let source = Path::new("/dev/urandom");
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(|cause| TestbedError::io("cannot read", source, &cause))?;
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(key.as_bytes()))
        .map_err(|cause| TestbedError::io("cannot write", path, &cause))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::kept;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("master-key-{}", std::process::id()));
        let key = kept(&path).unwrap();
        assert_eq!(kept(&path).unwrap(), key);
        assert_eq!((key.len(), key.chars().all(|c| c.is_ascii_hexdigit())), (64, true));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
    }
}
