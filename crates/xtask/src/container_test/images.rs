//! The images: stand-ins for those of the registry, and ours, built from the Dockerfile.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::podman::Podman;
use crate::cargo::SERVICES;
use crate::debian;
use testbed::error::{Result, TestbedError};
use testbed::process::output_of;
use testbed::step::Steps;

/// Debian's slim image, as the Dockerfile names it.
const BASE: &str = "docker.io/library/debian:bookworm-slim";

/// The largest that an image may be beyond its base.
const LARGEST: u64 = 60_000_000;

/// What our images are called: as docker-compose calls those of the project `oms`.
pub fn name(target: &str) -> String {
    format!("docker.io/library/oms_{target}:latest")
}

/// Every target of the Dockerfile that is run.
pub fn targets() -> impl Iterator<Item = &'static str> {
    ["gateway"].into_iter().chain(SERVICES)
}

/// Makes Debian's slim image with debootstrap.
pub fn make_base(podman: &Podman, steps: &Steps) -> Result<()> {
    let since = Instant::now();
    let root = podman.folder().join("debian");
    debian::make(&root, &["ca-certificates"])?;
    let archive = podman.folder().join("debian.tar");
    output_of(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
    output_of(podman.outside().args(["import", "--quiet"]).arg(&archive).arg(BASE))?;
    testbed::folders::delete_folder(&root)?;
    std::fs::remove_file(&archive).map_err(|cause| TestbedError::io("cannot delete", &archive, &cause))?;
    steps.done("base image made by debootstrap", since);
    Ok(())
}

/// Makes the stand-ins: one for the image with Rust, whose cargo has the binaries ready, and one for each server.
pub fn make_stand_ins(podman: &Podman, binaries: &Path, steps: &Steps) -> Result<()> {
    let since = Instant::now();
    let cargo = podman.write("rust/cargo", include_str!("cargo.sh"))?;
    output_of(Command::new("chmod").arg("755").arg(&cargo))?;
    for service in SERVICES {
        let (from, to) = (binaries.join(service), podman.folder().join("rust").join(service));
        std::fs::copy(&from, &to).map_err(|cause| TestbedError::io("cannot copy", &from, &cause))?;
    }
    podman.write("postgres/start.sh", include_str!("postgres.sh"))?;
    podman.write("rabbitmq/start.sh", include_str!("rabbitmq.sh"))?;
    for (folder, text, name) in [
        ("rust", include_str!("rust.Dockerfile"), "rust:1.95.0-slim-bookworm"),
        ("postgres", include_str!("postgres.Dockerfile"), "postgres:17"),
        ("rabbitmq", include_str!("rabbitmq.Dockerfile"), "rabbitmq:3.13-management"),
    ] {
        let dockerfile = podman.write(&format!("{folder}/Dockerfile"), text)?;
        podman.build(&format!("docker.io/library/{name}"), &dockerfile, &podman.folder().join(folder), None)?;
    }
    steps.done("images of Rust, PostgreSQL and RabbitMQ made from it", since);
    Ok(())
}

/// Builds ours from the Dockerfile as it is, and sees what they say of themselves.
pub fn build_ours(podman: &Podman, checkout: &Path, steps: &Steps) -> Result<()> {
    let base = podman.size(BASE)?;
    for target in targets() {
        let since = Instant::now();
        podman.build(&name(target), &checkout.join("deploy/docker/Dockerfile"), checkout, Some(target))?;
        let beyond = podman.size(&name(target))?.saturating_sub(base);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let megabytes = beyond as f64 / 1e6;
        steps.done(&format!("image {target} built, {megabytes:.1} MB beyond its base"), since);
        if beyond > LARGEST {
            return Err(TestbedError::new(format!("the image {target} is {beyond} bytes larger than its base")));
        }
        let user = podman.run(&["image", "inspect", "--format={{.Config.User}}", &name(target)])?;
        if user != "10001:10001" {
            return Err(TestbedError::new(format!("the image {target} is run as `{user}`")));
        }
    }
    Ok(())
}
