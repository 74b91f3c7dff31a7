//! podman with runc. Images, containers and networks are in a folder of their own, and the containers in a network
//! namespace of their own, so that nothing that this machine has is touched, and all of it can be taken away.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::error::{Result, TestbedError};
use testbed::folders::{delete_folder, make_folder, write_file};
use testbed::process::output_of;

/// The programs and their packages. podman starts netavark for networks, which calls iptables, and aardvark-dns for names.
pub const PROGRAMS: [(&str, &str); 6] = [
    ("podman", "podman"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("/usr/lib/podman/netavark", "netavark"),
    ("/usr/lib/podman/aardvark-dns", "aardvark-dns"),
    ("docker-compose", "docker-compose"),
];

/// The folder and the namespace. Everything in them ends when it is dropped.
#[derive(Debug)]
pub struct Podman {
    folder: PathBuf,
    namespace: String,
}

impl Podman {
    /// Takes away what a run that was killed has left in this folder, and begins anew.
    pub fn begin(folder: &Path) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let podman = Self { folder: folder.to_owned(), namespace: format!("oms-{:016x}", hasher.finish()) };
        podman.clear()?;
        make_folder(folder)?;
        podman.write("storage.conf", &podman.storage_conf())?;
        podman.write("containers.conf", &podman.containers_conf())?;
        podman.write("registries.conf", "unqualified-search-registries = [\"docker.io\"]\n")?;
        output_of(Command::new("ip").args(["netns", "add", &podman.namespace]))?;
        output_of(podman.inside("ip").args(["link", "set", "lo", "up"]))?;
        Ok(podman)
    }

    fn storage_conf(&self) -> String {
        let folder = self.folder.display();
        format!("[storage]\ndriver = \"overlay\"\nrunroot = \"{folder}/run\"\ngraphroot = \"{folder}/storage\"\n")
    }

    fn containers_conf(&self) -> String {
        let folder = self.folder.display();
        // Nobody may raise limits here, so containers get those that every machine allows.
        format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1000:1000\"]\nlog_driver = \"k8s-file\"\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\n\
             tmp_dir = \"{folder}/tmp\"\nstatic_dir = \"{folder}/static\"\nvolume_path = \"{folder}/volumes\"\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{folder}/networks\"\n"
        )
    }

    /// Writes a file into the folder and gives its path.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        write_file(&path, text)?;
        Ok(path)
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where `podman system service` listens.
    pub fn socket(&self) -> String {
        format!("unix://{}/podman.sock", self.folder.display())
    }

    fn configured(&self, mut command: Command) -> Command {
        for (name, file) in [
            ("CONTAINERS_CONF", "containers.conf"),
            ("CONTAINERS_STORAGE_CONF", "storage.conf"),
            ("CONTAINERS_REGISTRIES_CONF", "registries.conf"),
        ] {
            command.env(name, self.folder.join(file));
        }
        // Otherwise podman asks systemd for a timer for each HEALTHCHECK.
        command.env("DISABLE_HC_SYSTEMD", "true");
        command
    }

    /// podman on the network of the machine, as building needs it.
    pub fn outside(&self) -> Command {
        self.configured(Command::new("podman"))
    }

    /// A program on the network of the containers.
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace)).arg(program);
        self.configured(command)
    }

    /// Runs `podman` with these words and gives what it prints.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        output_of(self.inside("podman").args(words)).map(|text| text.trim().to_owned())
    }

    /// Builds an image on the network of the machine. `dockerfile` may be anywhere, paths in it are below `context`.
    pub fn build(&self, name: &str, dockerfile: &Path, context: &Path, target: Option<&str>) -> Result<()> {
        let mut command = self.outside();
        // The format of Docker, because the other one has no HEALTHCHECK.
        command.args(["build", "--quiet", "--format=docker", "--pull=never", "--network=host"]);
        command
            .args(["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000", "--tag", name, "--file"])
            .arg(dockerfile);
        if let Some(target) = target {
            command.args(["--target", target]);
        }
        output_of(command.arg(context)).map(drop)
    }

    /// The size of an image in bytes.
    pub fn size(&self, image: &str) -> Result<u64> {
        let text = self.run(&["image", "inspect", "--format={{.Size}}", image])?;
        text.parse().map_err(|_| TestbedError::new(format!("{image} has the size `{text}`")))
    }

    fn clear(&self) -> Result<()> {
        if self.folder.join("storage.conf").is_file() {
            for words in [&["rm", "--force", "--all", "--time=0"][..], &["volume", "rm", "--force", "--all"]] {
                // What is left is found below.
                let _ = output_of(self.outside().args(words));
            }
        }
        if Path::new("/run/netns").join(&self.namespace).exists() {
            // Its addresses, rules and the server of names go with the last process in it.
            let pids = output_of(Command::new("ip").args(["netns", "pids", &self.namespace]))?;
            for pid in pids.split_whitespace() {
                let _ = output_of(Command::new("kill").args(["-KILL", pid]));
            }
            output_of(Command::new("ip").args(["netns", "delete", &self.namespace]))?;
        }
        unmount_below(&self.folder)?;
        delete_folder(&self.folder)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            eprintln!("warning: {error}");
        }
    }
}

/// Unmounts all that is mounted below a folder, the last one first.
pub fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")
        .map_err(|cause| TestbedError::new(format!("cannot see what is mounted: {cause}")))?;
    for mount in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
        if Path::new(mount).starts_with(folder) {
            output_of(Command::new("umount").args(["--lazy", mount]))?;
        }
    }
    Ok(())
}
