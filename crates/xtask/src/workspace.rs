//! The folders that the commands work in.

use std::path::{Path, PathBuf};

use testbed::error::{Result, TestbedError};

/// The checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub root: PathBuf,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
}

impl Workspace {
    /// The checkout that cargo runs this program for, or the one around the current folder.
    pub fn find() -> Result<Self> {
        let here = std::env::current_dir()
            .map_err(|cause| TestbedError::new(format!("cannot tell the current folder: {cause}")))?;
        let from_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = [from_cargo.as_deref(), Some(&here)]
            .into_iter()
            .flatten()
            .flat_map(Path::ancestors)
            .find(|folder| folder.join("Cargo.lock").is_file())
            .ok_or_else(|| TestbedError::new("run this inside of the checkout"))?
            .to_owned();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => here.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// Where servers, logs and state of these commands are; git ignores it.
    pub fn run_folder(&self) -> PathBuf {
        self.root.join(".run")
    }

    /// Where `up` keeps everything.
    pub fn dev_folder(&self) -> PathBuf {
        self.run_folder().join("dev")
    }

    /// The binary of this name in the given profile's folder.
    pub fn binary(&self, name: &str, profile: Profile) -> PathBuf {
        self.folder(profile).join(name)
    }

    /// Where the binaries of this profile are.
    pub fn folder(&self, profile: Profile) -> PathBuf {
        self.target.join(profile.folder())
    }
}

/// How the services are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}
