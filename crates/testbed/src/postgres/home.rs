//! Whose files the database's are and where they live. PostgreSQL refuses to run as root, so under root it runs as the
//! system user `postgres`, who may not be able to reach the checkout.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::durability::Durability;
use crate::error::{Result, TestbedError};
use crate::process;

const SYSTEM_USER: &str = "postgres";

// Only root gets here. No temporary folder: those are swept, and others may prepare names in them.
const OUTSIDE: &str = "/var/lib/oms-dev";

// Where Linux keeps files in memory. Every test makes databases of its own, of hundreds of files each: on a disk a quarter of
// the time that PostgreSQL takes in tests goes into making and deleting them.
const MEMORY: &str = "/dev/shm";

/// The data of all tests together take less than half of it. In kilobytes.
const ROOM: u64 = 8 * 1024 * 1024;

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

    fn owns(&self, folder: &std::fs::Metadata) -> bool {
        match *self {
            Self::Ourselves => std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == folder.uid()),
            Self::System { user, .. } => folder.uid() == user,
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

/// The folder for the database's files: in memory where they are to be thrown away and there is room, else `dir` where its
/// owner can get at it, else one outside of the checkout.
pub fn prepare(dir: &Path, owner: &Owner, durability: Durability) -> Result<PathBuf> {
    make(dir)?;
    if durability == Durability::ThrowAway
        && let Some(home) = in_memory(Path::new(MEMORY), dir, owner)?
    {
        return Ok(home);
    }
    owner.take(dir)?;
    if owner.can_enter(dir) {
        return Ok(dir.to_owned());
    }
    let home = Path::new(OUTSIDE).join(name_for(dir));
    make(&home)?;
    owner.take(&home)?;
    Ok(home)
}

/// A folder in memory, also when it is there from an earlier start; `None` where there is no room, or another user took the name.
fn in_memory(memory: &Path, dir: &Path, owner: &Owner) -> Result<Option<PathBuf>> {
    let home = memory.join(format!("oms-{}", name_for(dir)));
    if let Ok(found) = std::fs::symlink_metadata(&home) {
        return Ok((found.is_dir() && owner.owns(&found)).then_some(home));
    }
    if !has_room() || std::fs::DirBuilder::new().mode(0o700).create(&home).is_err() {
        return Ok(None);
    }
    owner.take(&home)?;
    Ok(Some(home))
}

/// Whether so much fits into the folder in memory, and into memory.
fn has_room() -> bool {
    let free = process::output_of(Command::new("df").args(["-Pk", MEMORY])).ok().and_then(|said| free_in_memory(&said));
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|said| available_memory(&said));
    [free, memory].iter().all(|room| room.is_some_and(|room| room >= ROOM))
}

/// The kilobytes that `df -Pk` calls available, if what it was asked for is in memory.
fn free_in_memory(said: &str) -> Option<u64> {
    let words: Vec<&str> = said.lines().nth(1)?.split_whitespace().collect();
    (words.first() == Some(&"tmpfs")).then(|| words.get(3)?.parse().ok())?
}

/// The kilobytes that `/proc/meminfo` calls available.
fn available_memory(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.trim().strip_suffix(" kB")?.parse().ok()
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

    #[test]
    fn reads_how_much_room_there_is() {
        let of = |name: &str| {
            format!("Filesystem 1024-blocks Used Available Capacity Mounted on\n{name} 900 100 800 12% /dev/shm\n")
        };
        assert_eq!(free_in_memory(&of("tmpfs")), Some(800));
        assert_eq!(free_in_memory(&of("/dev/vda")), None);
        assert_eq!(available_memory("MemTotal:       24 kB\nMemAvailable:   20 kB\n"), Some(20));
        assert_eq!(available_memory(""), None);
    }

    #[test]
    fn takes_no_folder_in_memory_that_is_not_its_own() {
        let (memory, dir) = (std::env::temp_dir(), Path::new("/no/such").join(std::process::id().to_string()));
        let home = memory.join(format!("oms-{}", name_for(&dir)));
        std::os::unix::fs::symlink("/tmp", &home).unwrap();
        let taken = in_memory(&memory, &dir, &Owner::Ourselves);
        std::fs::remove_file(&home).unwrap();
        assert_eq!(taken.unwrap(), None);
    }
}
