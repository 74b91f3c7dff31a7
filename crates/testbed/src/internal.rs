//! TLS between services, the nginx of `deploy/ha/internal`: its files for the instances that there are, and nginx on them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::error::Result;
use crate::folders::{make_folder, write_file};
use crate::gateway::{self, Tls};
use crate::ports;
use crate::process;

const NGINX_CONF: &str = include_str!("../../../deploy/ha/internal/nginx.conf");

/// How long it may take to listen.
const LIMIT: Duration = Duration::from_secs(10);

/// What it is to be like. It listens on the loopback address.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its port and its certificate.
    pub tls: Tls,
    /// The ports of each inventory-service.
    pub inventory: Vec<u16>,
}

impl Plan {
    /// Every file of its folder, by name.
    pub fn files(&self) -> [(&'static str, String); 3] {
        let Tls { port, certificate, key } = &self.tls;
        let listen = format!(
            "listen {}:{port} ssl;\nssl_certificate \"{}\";\nssl_certificate_key \"{}\";\n",
            Ipv4Addr::LOCALHOST,
            certificate.display(),
            key.display()
        );
        [
            ("nginx.conf", NGINX_CONF.to_owned()),
            ("listen.conf", listen),
            ("inventory-service.conf", gateway::servers(&self.inventory)),
        ]
    }

    /// What order-service is told to call.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.tls.port)
    }

    /// Starts nginx on files in this folder; returns once it listens.
    pub fn start(&self, folder: &Path) -> Result<Daemon> {
        make_folder(folder)?;
        for (name, text) in self.files() {
            let file = folder.join(name);
            write_file(&file, &text)?;
        }
        gateway::judge(folder)?;
        let server = Daemon::new(folder, gateway::program(folder)?)?;
        server.launch()?;
        let port = self.tls.port;
        server.wait(LIMIT, "nginx to listen", || !ports::is_free(port))?;
        Ok(server)
    }
}

/// A certificate for this machine with its key, made by openssl in a folder: both a server's and its own authority's.
pub fn make_certificate(folder: &Path, port: u16) -> Result<Tls> {
    make_folder(folder)?;
    let tls = Tls { port, certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&tls.key)
        .arg("-out")
        .arg(&tls.certificate);
    process::output_of(&mut make)?;
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_files_name_every_instance_and_the_certificate() {
        let tls = Tls { port: 2, certificate: PathBuf::from("/x/c.pem"), key: PathBuf::from("/x/key.pem") };
        let [(_, nginx), (_, listen), (_, inventory)] = Plan { tls, inventory: vec![3, 4] }.files();
        assert!(listen.contains("listen 127.0.0.1:2 ssl;") && listen.contains("\"/x/c.pem\""), "{listen}");
        assert_eq!(inventory.matches("server 127.0.0.1:4 ").count(), 2);
        assert!(nginx.contains("include listen.conf;"));
    }
}
