//! A Debian in a folder, made by debootstrap: images of containers and a host that boots are made of it.

use std::path::Path;
use std::process::Command;

use crate::install;
use testbed::error::{Result, TestbedError};
use testbed::postgres;
use testbed::process;
use testbed::step::Steps;

/// The release that the Dockerfile and the units are for.
pub const RELEASE: &str = "bookworm";

/// An error where a command that needs root is run by somebody else.
pub fn ask_for_root(command: &str) -> Result<()> {
    if postgres::is_root() {
        return Ok(());
    }
    Err(TestbedError::new(format!("`cargo xtask {command}` mounts and boots things, so it has to be run as root")))
}

/// Installs debootstrap and these programs, each with its package, where they are missing.
pub fn install(programs: &[(&'static str, &'static str)], log: &Path, steps: &Steps) -> Result<()> {
    let own = [("debootstrap", "debootstrap"), ("curl", "curl")];
    install::programs(&[&own, programs].concat(), log, steps)
}

/// Makes the smallest Debian with these packages in a new folder.
pub fn make(root: &Path, packages: &[&str]) -> Result<()> {
    let mut command = Command::new("debootstrap");
    command.arg("--variant=minbase");
    if !packages.is_empty() {
        command.arg(format!("--include={}", packages.join(",")));
    }
    process::output_of(command.arg(RELEASE).arg(root)).map(drop)?;
    // Without its lists and packages it is half as large. Of what is installed later, documents are left out and packages
    // are not kept, as in Debian's own slim images.
    let slim = "rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/*
        printf 'path-exclude /usr/share/%s/*\\n' doc man locale >etc/dpkg/dpkg.cfg.d/slim
        echo 'Dir::Cache::pkgcache \"\"; Dir::Cache::srcpkgcache \"\"; Binary::apt-get::APT::Keep-Downloaded-Packages false;
            DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb\"; };' >etc/apt/apt.conf.d/slim";
    process::output_of(Command::new("sh").args(["-ec", slim]).current_dir(root)).map(drop)
}
