//! `deploy/switch` takes the gateway from one colour to the other and back, and no client notices.

use super::clients::Clients;
use e2e::client::Client;
use e2e::environment::{Environment, folder_of_test, workspace};
use e2e::gateway::in_front_of;
use e2e::poll;
use e2e::process::Service;
use e2e::shop::Shop;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use testbed::gateway::Gateway;
use tokio::task::JoinHandle;

const BLUE: usize = 0;
const GREEN: usize = 1;

/// A host with two colours, of which the processes of the first number are blue.
struct Host {
    shop: Shop,
    gateway: Gateway,
    folder: PathBuf,
    ready_seconds: &'static str,
    /// Whether units are started, by a `systemctl` that knows of none.
    units: bool,
}

impl Host {
    /// Both run, and blue is served.
    async fn open() -> Self {
        let mut shop = Shop::plan().pairs(2).behind_a_gateway().open().await;
        let folder = folder_of_test(Environment::get());
        let mut colours = String::new();
        for (number, colour) in [(BLUE, "blue"), (GREEN, "green")] {
            for (service, process) in of_colour(&mut shop, number) {
                colours += &format!("{colour} {service} 127.0.0.1:{}\n", process.port());
            }
        }
        std::fs::write(folder.join("colours"), colours).unwrap();
        let calls = folder.join("calls").display().to_string();
        // The test starts and stops: processes end with it.
        let told = ["start", "stop"].map(|it| (it, format!("echo {it} \"$1 $2\" >> {calls}")));
        let nginx = testbed::gateway::find_program().unwrap();
        let nginx = format!("{} -p {} -c nginx.conf", nginx.display(), folder.join("gateway").display());
        for (command, line) in told.into_iter().chain([("reload", format!("{nginx} -t -q && {nginx} -s reload"))]) {
            std::fs::write(folder.join(command), format!("#!/bin/sh\n{line}\n")).unwrap();
            std::fs::set_permissions(folder.join(command), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let [orders, inventory, accounts] =
            [&shop.order_services, &shop.inventory_services, &shop.account_services].map(|all| all[BLUE].port());
        let gateway = in_front_of(&[orders], &[inventory], &[accounts]);
        let host = Self { shop, gateway, folder, ready_seconds: "60", units: false };
        let (went_well, said) = host.switch(&["to", "blue"]).await.unwrap();
        assert!(went_well && said.starts_with("blue is served\n"), "{said}");
        host
    }

    /// Runs the script; gives whether it went well, and what it said.
    fn switch(&self, arguments: &[&str]) -> JoinHandle<(bool, String)> {
        let mut command = Command::new(workspace().join("deploy/switch"));
        command.args(arguments).env("COLOURS", self.folder.join("colours")).env("GATEWAY", self.folder.join("gateway"));
        if self.units {
            let others = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{others}", self.folder.join("units").display()));
        } else {
            command.env("START_COMMAND", self.folder.join("start")).env("STOP_COMMAND", self.folder.join("stop"));
        }
        command.env("RELOAD_COMMAND", self.folder.join("reload")).env("READY_SECONDS", self.ready_seconds);
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(said).unwrap())
        })
    }

    /// What the script has asked to be done.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn kill(&mut self, number: usize) {
        of_colour(&mut self.shop, number).into_iter().for_each(|(_, process)| process.kill());
    }

    /// Starts a colour as soon as the script asks for it.
    async fn start(&mut self, number: usize, colour: &str) {
        let last = format!("start {colour} order-service");
        poll::eventually(&last, async || {
            let calls = self.calls();
            if calls.contains(&last) { Ok(()) } else { Err(format!("{calls:?}")) }
        })
        .await;
        of_colour(&mut self.shop, number).into_iter().for_each(|(_, process)| process.launch());
    }

    /// Waits until the gateway asks the instances of a colour.
    async fn is_asked(&self, colour: usize) {
        let port = format!(":{}\"", self.shop.order_services[colour].port());
        poll::eventually("the gateway to have changed", async || {
            let log = self.gateway.access_log();
            // A worker that nginx has not told of the change yet may serve some more.
            let latest = log.lines().rev().filter(|line| line.contains("\"path\":\"/api/orders\"")).take(30);
            let other = latest.clone().find(|line| !line.contains(&port));
            if latest.count() > 0 && other.is_none() { Ok(()) } else { Err(other.unwrap_or_default().to_owned()) }
        })
        .await;
    }
}

fn of_colour(shop: &mut Shop, number: usize) -> [(&'static str, &mut Service); 3] {
    [
        ("account-service", &mut shop.account_services[number]),
        ("inventory-service", &mut shop.inventory_services[number]),
        ("order-service", &mut shop.order_services[number]),
    ]
}

#[tokio::test]
async fn one_colour_follows_the_other_and_goes_back() {
    let mut host = Host::open().await;
    let clients = Clients::of(&host.shop, &Client::new(host.gateway.base())).await;
    host.kill(GREEN);
    clients.are_served().await;
    let switching = host.switch(&["to", "green"]);
    host.start(GREEN, "green").await;
    let (went_well, said) = switching.await.unwrap();
    assert!(went_well && said.contains("green is served\nblue goes on running"), "{said}");
    host.is_asked(GREEN).await;
    clients.are_served().await;

    let (ended, said) = host.switch(&["end"]).await.unwrap();
    assert!(!ended && said.contains("blue is kept for 30 minutes, of which 0 have passed"), "{said}");
    let (went_well, said) = host.switch(&["back"]).await.unwrap();
    assert!(went_well && said.contains("blue is served\ngreen goes on running"), "{said}");
    host.is_asked(BLUE).await;
    clients.are_served().await;

    // What runs of green is the build that was tried before, and not the next one.
    let (went_well, said) = host.switch(&["to", "green"]).await.unwrap();
    assert!(!went_well && said.contains("green still runs, as the way back"), "{said}");
    host.is_asked(BLUE).await;

    assert!(host.switch(&["back"]).await.unwrap().0);
    host.is_asked(GREEN).await;
    assert_eq!(
        host.calls(),
        ["start green account-service", "start green inventory-service", "start green order-service"]
    );
    assert!(host.switch(&["end", "--now"]).await.unwrap().0);
    assert_eq!(
        host.calls()[3..],
        ["stop blue order-service", "stop blue inventory-service", "stop blue account-service"]
    );
    for (_, process) in of_colour(&mut host.shop, BLUE) {
        process.ask_to_end();
        assert!(process.ended().await.success());
    }
    clients.are_served().await;
    clients.end(&host.shop).await;
    let (went_well, said) = host.switch(&["back"]).await.unwrap();
    assert!(!went_well && said.contains("there is no colour before"), "{said}");
}

#[tokio::test]
async fn a_colour_that_is_no_good_is_not_served() {
    let mut host = Host::open().await;
    host.ready_seconds = "1";
    host.kill(GREEN);
    let client = Client::new(host.gateway.base());
    let files = || {
        ["order", "inventory", "account"]
            .map(|it| folder_of_test(Environment::get()).join(format!("gateway/{it}-service.conf")))
    };
    let blue = files().map(|file| std::fs::read_to_string(file).unwrap());
    for (colour, says) in
        [("red", "names no account-service of red"), ("green", "green is no good; blue is served as before")]
    {
        let (went_well, said) = host.switch(&["to", colour]).await.unwrap();
        assert!(!went_well && said.contains(says), "{said}");
    }
    let services = ["account-service", "inventory-service", "order-service"];
    let started = services.map(|service| format!("start green {service}"));
    let stopped = services.map(|service| format!("stop green {service}"));
    assert_eq!(host.calls(), [&started[..], &[&stopped[2], &stopped[1], &stopped[0]].map(String::clone)].concat());

    // Green is good this time, and the gateway's files are not.
    host.ready_seconds = "60";
    for (_, process) in of_colour(&mut host.shop, GREEN) {
        process.start().await;
    }
    std::fs::write(host.folder.join("gateway/limits.conf"), "nonsense").unwrap();
    let (went_well, said) = host.switch(&["to", "green"]).await.unwrap();
    assert!(!went_well && said.contains("the gateway does not take its files; blue is served as before"), "{said}");
    assert_eq!(host.calls().len(), 6, "what ran before is left running");
    assert_eq!(files().map(|file| std::fs::read_to_string(file).unwrap()), blue);
    client.get("/api/orders?limit=1").await.is(403);
    host.is_asked(BLUE).await;
}

#[tokio::test]
async fn what_answers_at_an_address_of_a_colour_is_not_taken_for_it() {
    let mut host = Host::open().await;
    let clients = Clients::of(&host.shop, &Client::new(host.gateway.base())).await;
    let units = host.folder.join("units");
    std::fs::create_dir(&units).unwrap();
    let systemctl = |knows: &str| {
        let calls = host.folder.join("calls").display().to_string();
        std::fs::write(units.join("systemctl"), format!("#!/bin/sh\necho \"$@\" >> {calls}\n{knows}\n")).unwrap();
        std::fs::set_permissions(units.join("systemctl"), PermissionsExt::from_mode(0o755)).unwrap();
    };
    systemctl("exit 3");
    host.units = true;
    let (went_well, said) = host.switch(&["to", "green"]).await.unwrap();
    let address = format!("somebody else answers at 127.0.0.1:{}, and", host.shop.account_services[GREEN].port());
    assert!(!went_well && said.contains(&address), "{said}");
    assert!(said.contains("green is no good; blue is served as before"), "{said}");
    assert_eq!(host.calls(), ["is-active --quiet account-service@green"], "nothing is stopped");
    host.is_asked(BLUE).await;

    // These are its units.
    systemctl("exit 0");
    let (went_well, said) = host.switch(&["to", "green"]).await.unwrap();
    assert!(went_well && said.contains("green is served"), "{said}");
    host.is_asked(GREEN).await;
    clients.end(&host.shop).await;
}
