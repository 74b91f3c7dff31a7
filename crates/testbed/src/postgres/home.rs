//! Whose files the database's are and where they live. PostgreSQL refuses to run as root, so under root it runs as the
//! system user `postgres`, who may not be able to reach the checkout.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Result, TestbedError};
use crate::process;

const SYSTEM_USER: &str = "postgres";

// Only root gets here. No temporary folder: those are swept, and others may prepare names in them.
const OUTSIDE: &str = "/var/lib/oms-dev";

/// The user that the database runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The user who runs this program.
    Ourselves,
    /// The system user `postgres`, because we are root.
    System {
        /// Its user id.
        user: u32,
        /// Its group id.
        group: u32,
    },
}

impl Owner {
    /// The right owner for the user who runs this program.
    pub fn choose() -> Result<Self> {
        if !is_root() {
            return Ok(Self::Ourselves);
        }
        let id = |flag: &str| -> Result<u32> {
            let text = process::output_of(Command::new("id").args([flag, SYSTEM_USER]))?;
            text.trim().parse().map_err(|_| TestbedError::new(format!("cannot read the user id {text:?}")))
        };
        let missing = "PostgreSQL does not run as root, and its system user `postgres` is not there";
        Ok(Self::System {
            user: id("-u").map_err(|error| error.while_doing(missing))?,
            group: id("-g").map_err(|error| error.while_doing(missing))?,
        })
    }

    /// Makes the command run as this owner.
    pub fn run_as<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        match *self {
            Self::Ourselves => command,
            Self::System { user, group } => command.uid(user).gid(group),
        }
    }

    /// Gives the folder to this owner.
    fn take(&self, folder: &Path) -> Result<()> {
        match *self {
            Self::Ourselves => Ok(()),
            Self::System { user, group } => chown(folder, Some(user), Some(group))
                .map_err(|cause| TestbedError::io("cannot change the owner of", folder, &cause)),
        }
    }

    fn can_enter(&self, folder: &Path) -> bool {
        let mut enter = Command::new("sh");
        enter.args(["-c", r#"cd "$0""#]).arg(folder).current_dir("/");
        process::output_of(self.run_as(&mut enter)).is_ok()
    }
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    // A new file belongs to the effective user; /proc does not exist everywhere and `id` costs a process.
    std::fs::metadata("/proc/self").map_or_else(
        |_| process::output_of(Command::new("id").arg("-u")).is_ok_and(|text| text.trim() == "0"),
        |own| own.uid() == 0,
    )
}

/// The folder for the database's files: `dir` where its owner can get at it, else one outside of the checkout.
pub fn prepare(dir: &Path, owner: &Owner) -> Result<PathBuf> {
    make(dir)?;
    owner.take(dir)?;
    if owner.can_enter(dir) {
        return Ok(dir.to_owned());
    }
    let home = Path::new(OUTSIDE).join(name_for(dir));
    make(&home)?;
    owner.take(&home)?;
    Ok(home)
}

/// One folder name for one checkout folder: its path with the slashes replaced.
fn name_for(dir: &Path) -> String {
    let path = dir.to_string_lossy();
    path.trim_matches('/').replace('/', "-")
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|cause| TestbedError::io("cannot create", folder, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_home_after_its_checkout() {
        assert_eq!(name_for(Path::new("/root/oms/.run/dev/postgres")), "root-oms-.run-dev-postgres");
    }
}
