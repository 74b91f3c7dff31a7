//! `cargo xtask container-test`: the images are built and run, each by itself and then all of them by docker-compose.

mod alone;
mod images;
mod podman;
mod whole;

use std::path::PathBuf;
use std::time::Instant;

use crate::cargo;
use crate::debian;
use crate::workspace::{Profile, Workspace};
use podman::Podman;
use testbed::error::Result;
use testbed::folders::make_folder;
use testbed::step::Steps;

/// Makes the images and judges them. `binaries` is a folder with release binaries that are ready; without it they are
/// built here. Everything is taken away at the end.
pub fn run(workspace: &Workspace, binaries: Option<PathBuf>) -> Result<u8> {
    debian::ask_for_root("container-test")?;
    let steps = Steps::begin("the images, with podman and runc");
    make_folder(&workspace.run_folder())?;
    debian::install(&podman::PROGRAMS, &workspace.run_folder().join("install.log"), &steps)?;
    let binaries = match binaries {
        Some(folder) => folder,
        None => {
            let since = Instant::now();
            cargo::build_services(workspace, Profile::Release)?;
            steps.done("services built", since);
            workspace.folder(Profile::Release)
        }
    };
    let podman = Podman::begin(&workspace.run_folder().join("container-test"))?;
    images::make_base(&podman, &steps)?;
    images::make_stand_ins(&podman, &binaries, &steps)?;
    images::build_ours(&podman, &workspace.root, &steps)?;
    alone::judge(&podman, &steps)?;
    whole::judge(&podman, &workspace.root, &steps)?;
    drop(podman);
    steps.say("all is well, and everything is taken away");
    Ok(0)
}
