//! A real browser: headless Chromium, driven over the Chrome DevTools Protocol.
//!
//! Chromium speaks the protocol over two pipes (`--remote-debugging-pipe`), JSON parted by NUL bytes: file descriptor 3
//! in, 4 out. So no port, no WebSocket and no driver program are needed.

use crate::samples::text;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// How long an answer or a condition may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A browser with one open page. Ends when dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    complaints: Vec<String>,
}

impl Browser {
    /// Starts the Chromium on the PATH; its profile and log go to `folder`.
    pub fn start(folder: &Path) -> Self {
        let program = find().unwrap_or_else(|| panic!("no Chromium on the PATH: run `cargo xtask test`"));
        let log = File::create(folder.join("browser.log")).expect("a log file");
        let mut process = Command::new("sh")
            // The two pipes are the shell's standard streams and become the descriptors of the protocol.
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >&2"#])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.join("browser").display()))
            .arg("--window-size=1280,2000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell");
        let input = process.stdin.take().expect("a pipe");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let Ok(json) = serde_json::from_slice(&message) else { break };
                if sender.send(json).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self { process, input, messages, session: None, sent: 0, complaints: Vec::new() };
        let target = browser.command("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.command("Target.attachToTarget", attach)["sessionId"].clone();
        browser.session = Some(text(&session).to_owned());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Network.enable"] {
            browser.command(domain, json!({}));
        }
        browser
    }

    /// Opens a page.
    pub fn open(&mut self, url: &str) {
        let opened = self.command("Page.navigate", json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
    }

    /// Evaluates an expression until it gives something other than null or false; gives that.
    pub fn wait_for(&mut self, what: &str, expression: &str) -> Value {
        let started = Instant::now();
        loop {
            let seen = self.evaluate(expression);
            if !matches!(seen, Value::Null | Value::Bool(false)) {
                return seen;
            }
            if started.elapsed() >= LIMIT {
                let page = self.evaluate("document.body.innerText");
                panic!("gave up waiting for {what}; complaints: {:?}; the page:\n{page}", self.complaints);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for an element and clicks into its middle with the mouse.
    pub fn click(&mut self, what: &str, selector: &str) {
        // In the middle of the window, and only where it lies on top: what a person could not hit is not clicked.
        let place = format!(
            "(() => {{
                const element = document.querySelector({selector:?});
                if (!element) return null;
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                const box = element.getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                const hit = document.elementFromPoint(x, y);
                return hit && (element.contains(hit) || hit.contains(element)) ? {{x, y}} : null;
            }})()"
        );
        let mut before = Value::Null;
        let place = loop {
            let now = self.wait_for(what, &place);
            if now == before {
                break now;
            }
            // Something may still be unfolding; what moves is not clicked either.
            std::thread::sleep(Duration::from_millis(50));
            before = now;
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1});
            self.command("Input.dispatchMouseEvent", event);
        }
    }

    /// Shows pages on a screen of this size, by day or by night.
    pub fn screen(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.command("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.command("Emulation.setEmulatedMedia", json!({"features": [scheme]}));
    }

    /// Takes a picture of the whole page, as PNG.
    pub fn picture(&mut self, file: &Path) {
        let picture = self.command("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let png = data_encoding::BASE64.decode(text(&picture["data"]).as_bytes()).expect("Base64");
        std::fs::write(file, png).expect("a file");
    }

    /// The value of an expression.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.command("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What pages complained about: failed requests, exceptions, errors in the console.
    pub fn complaints(&mut self) -> &[String] {
        // Whatever was said before the answer to this has arrived by then.
        self.evaluate("1");
        &self.complaints
    }

    fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).expect("a running browser");
        loop {
            let heard = self.messages.recv_timeout(LIMIT);
            let mut message = heard.unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if message["id"] == self.sent {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Network.loadingFailed") => Some(parameters["errorText"].to_string()),
            Some("Runtime.exceptionThrown") => Some(parameters["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => Some(parameters["entry"].to_string()),
            _ => None,
        };
        self.complaints.extend(complaint);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The shell has become the browser, whose other processes end when it does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.into_iter().find(|program| program.is_file())
}
