//! One world per test: a sandbox process, an empty home, a journal. When a test ends well, its world makes sure that nothing
//! was leaked, dropped from service, or touched that did not belong to the run.

mod caught;
mod cloud;
mod http;
mod load;
mod machine;
mod points;
mod pool;
mod portion;
mod process;
mod screens;
mod terminal;

use std::fmt::Display;
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

pub(crate) use caught::{continued, ended, go_on, is_paused, paused_at, stop};
pub(crate) use http::Answer;
pub(crate) use load::Traffic;
pub(crate) use machine::Machine;
pub(crate) use pool::each;
pub(crate) use portion::{portion, rotation, spread};
pub(crate) use process::{Ran, hearing_hang_ups};
pub(crate) use screens::Screens;

use process::command;

/// How much faster than the real service a test's sandbox runs.
const TIME_SCALE: &str = "150";
/// The same for tests that must catch a run in the middle of a step.
const CATCHABLE: &str = "50";
/// The same for tests in which only the order of things matters.
const HURRIED: &str = "1000";
/// The speeds of the sandbox, try by try, for a run that must be caught while it waits.
pub(crate) const PACES: [u32; 5] = [1000, 250, 60, 15, 4];
/// Signatures are half of what a run computes. If nobody verifies them, a key of 512 bits is good enough.
pub(crate) const SHORT_KEY: &str = include_str!("short_key.pem");
pub(crate) const SHORT_KEY_FINGERPRINT: &str = "7d:60:b4:00:0a:28:15:b9:2b:7c:ed:28:09:76:66:42";
/// A condition that is not met after this time counts as never met.
const PATIENCE: Duration = Duration::from_mins(1);

/// The change of one backend alone. A run makes it where the cloud does not let a set be changed as a whole.
pub(crate) const ONE_BY_ONE: (&str, &str) = ("PUT", "/backends/");

/// Every request that changes something, by its method and a part of its path.
pub(crate) const CHANGES: [(&str, &str); 6] = [
    ("POST", "/containerInstances"),
    ("POST", "/backends"),
    ("PUT", "/backendSets/http"),
    ONE_BY_ONE,
    ("DELETE", "/backends/"),
    ("DELETE", "/containerInstances/"),
];

pub(crate) struct World {
    folder: tempfile::TempDir,
    sandbox: Child,
    url: String,
    /// Additional environment variables of the commands.
    environment: Vec<(String, String)>,
    /// Set by a test that deliberately leaves something behind.
    pub(crate) expects_leftovers: bool,
    /// Set by a test that deliberately takes the only backend of a set away.
    pub(crate) expects_violations: bool,
    /// Set by a test in which another client takes something away that does not belong to the run.
    pub(crate) expects_strangers_touched: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&["--no-verify"])
    }

    /// A world that verifies every signature, which is half of what a run computes.
    pub(crate) fn signed() -> Self {
        Self::with(&[])
    }

    /// A hurried world with a deployment file in it, and the file's name.
    pub(crate) fn with_deployment() -> (Self, &'static str) {
        let world = Self::hurried();
        let mut deployment = world.deployment();
        deployment["poll-interval"] = json!("10ms");
        let file = world.write_deployment(&deployment);
        (world, file)
    }

    /// A hurried world with a deployment file in it, in which a run makes a request of this kind.
    pub(crate) fn with_deployment_for(change: (&str, &str)) -> (Self, &'static str) {
        let (world, file) = Self::with_deployment();
        if change == ONE_BY_ONE {
            world.one_by_one();
        }
        (world, file)
    }

    /// A world without strangers, in which no other backend serves.
    pub(crate) fn lonely() -> Self {
        Self::start(HURRIED, &["--no-verify", "--scenery", "plain"])
    }

    /// A world in which each step takes long enough that a test can kill the process in it.
    pub(crate) fn catchable() -> Self {
        Self::start(CATCHABLE, &[])
    }

    /// A world in which everything takes almost no time.
    pub(crate) fn hurried() -> Self {
        Self::start(HURRIED, &["--no-verify"])
    }

    /// A hurried world with long pages, for tests in which every call may fail.
    pub(crate) fn stormy() -> Self {
        Self::start(HURRIED, &["--no-verify", "--page-size", "50"])
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::start(TIME_SCALE, flags)
    }

    /// A hurried world whose cloud is in the state that an earlier sandbox left.
    pub(crate) fn restored(state: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("cloud")).expect("a folder in it");
        fs::copy(state, folder.path().join("cloud/state.json")).expect("copied");
        Self::start_in(folder, HURRIED, &["--no-verify", "--folder", "cloud"])
    }

    fn start(time_scale: &str, flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), time_scale, flags)
    }

    fn start_in(folder: tempfile::TempDir, time_scale: &str, flags: &[&str]) -> Self {
        // There are strangers everywhere, unless the test is about being alone.
        let is_told = flags.iter().any(|flag| matches!(*flag, "--scenery" | "--empty" | "--folder"));
        let scenery = if is_told { &[][..] } else { &["--scenery", "crowded"] };
        // Pages are short, so that every list has several.
        let page_size = if flags.contains(&"--page-size") { &[][..] } else { &["--page-size", "2"] };
        let mut sandbox = command(folder.path())
            .args(["sandbox", "--time-scale", time_scale])
            .args(page_size)
            .args(scenery)
            .arg("--home")
            .arg(folder.path())
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the sandbox starts");
        let mut url = String::new();
        let stdout = sandbox.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut url).expect("the sandbox says where it is");
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "the sandbox said {url:?}");
        if flags.contains(&"--no-verify") {
            shorten_the_key(folder.path());
        }
        Self {
            folder,
            sandbox,
            url,
            environment: Vec::new(),
            expects_leftovers: false,
            expects_violations: false,
            expects_strangers_touched: false,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn sandbox_pid(&self) -> u32 {
        self.sandbox.id()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Copies a file into the home, with permissions for this user only.
    pub(crate) fn keep(&self, file: &Path, name: &str) {
        let kept = self.path(name);
        fs::create_dir_all(kept.parent().expect("a folder")).expect("folders");
        fs::copy(file, &kept).expect("copied");
        fs::set_permissions(&kept, Permissions::from_mode(0o600)).expect("set");
    }

    /// The deployment of version 2 over the seeded web server, with times that are short enough for a test.
    pub(crate) fn deployment(&self) -> Value {
        let text = fs::read_to_string(self.path("web.json")).expect("the sandbox wrote it");
        let mut deployment: Value = serde_json::from_str(&text).expect("JSON");
        deployment["drain-delay"] = json!("300ms");
        deployment["poll-interval"] = json!("50ms");
        deployment["backend-timeout"] = json!("5s");
        // The sandbox reports the checkers' intervals as in the cloud, but is itself faster.
        deployment["min-ready"] = json!("0s");
        deployment["retry"] =
            json!({"initial-interval": "20ms", "max-interval": "100ms", "max-elapsed": "10s"});
        deployment
    }

    /// The same of another version.
    pub(crate) fn deployment_of(&self, version: impl Display) -> Value {
        let mut deployment = self.deployment();
        deployment["ci-config"]["containers"][0]["image-url"] =
            json!(format!("docker.io/library/httpd:{version}"));
        deployment
    }

    /// A deployment of another service with this name, in the set `admin`.
    pub(crate) fn second_deployment(&self, name: &str) -> Value {
        let mut deployment = self.deployment();
        deployment["name"] = json!(name);
        deployment["ci-config"]["display-name"] = json!("second");
        deployment["ci-config"]["freeform-tags"] = json!({"env": "second"});
        deployment["ci-filter"] = json!({"display-name": "second", "freeform-tags": {"env": "second"}});
        deployment["backends"] = json!([{"port": 80, "backend-set": "admin"}]);
        deployment
    }

    /// Writes a deployment and returns the name of its file.
    pub(crate) fn write_deployment(&self, deployment: &Value) -> &'static str {
        self.write("deployment.json", &deployment.to_string());
        "deployment.json"
    }

    /// The command line, with an empty environment and its own home.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command.env("DEPLOYCTL_ENDPOINT", &self.url).args(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Sets additional environment variables for later commands.
    pub(crate) fn set_environment<'e>(&mut self, environment: impl IntoIterator<Item = (&'e str, String)>) {
        self.environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().expect("the program starts"))
    }

    /// Runs a command with these `failpoints`.
    pub(crate) fn run_with(&self, args: &[&str], failpoints: &str) -> Ran {
        Ran::of(&self.command(args).env("FAILPOINTS", failpoints).output().expect("the program starts"))
    }

    /// The number of leases and targets that are held according to the journal.
    pub(crate) fn held(&self) -> i64 {
        self.asked(
            "SELECT (SELECT count(*) FROM runs WHERE holder IS NOT NULL) + (SELECT count(*) FROM targets WHERE held)",
        )
    }

    /// The number that the journal returns for a query.
    pub(crate) fn asked(&self, question: &str) -> i64 {
        let question = sqlx::AssertSqlSafe(question.to_owned());
        let path = self.path(".local/state/deployctl/journal.db");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(path).read_only(true);
            let mut journal = options.connect().await.expect("the journal opens");
            sqlx::query_scalar(question).fetch_one(&mut journal).await.expect("the journal answers")
        })
    }

    /// The steps of the newest run, by name and status. Undone ones are `undo …`.
    pub(crate) fn steps(&self) -> Vec<(String, String)> {
        let ran = self.run(&["history", "latest", "--output", "json"]);
        let Ok(run) = serde_json::from_str::<Value>(&ran.stdout) else { return Vec::new() };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut steps = Vec::new();
        for step in run["steps"].as_array().into_iter().flatten() {
            steps.push((text(&step["name"]), text(&step["status"])));
            if step["compensation"].is_object() {
                steps.push((format!("undo {}", text(&step["name"])), text(&step["compensation"]["status"])));
            }
        }
        steps
    }

    #[expect(clippy::disallowed_methods, reason = "waits for processes, on the machine's own clock")]
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}\n{:#}", self.state());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Gives the home a short key, whose signatures cost much less.
fn shorten_the_key(home: &Path) {
    fs::write(home.join(".oci/sandbox_key.pem"), SHORT_KEY).expect("written");
    let config = fs::read_to_string(home.join(".oci/config")).expect("the sandbox wrote it");
    let own = config.lines().find(|line| line.starts_with("fingerprint=")).expect("a fingerprint");
    let config = config.replace(own, &format!("fingerprint={SHORT_KEY_FINGERPRINT}"));
    fs::write(home.join(".oci/config"), config).expect("written");
}

impl Drop for World {
    fn drop(&mut self) {
        let audit = (!std::thread::panicking()).then(|| self.audit());
        self.sandbox.kill().expect("the sandbox is ours");
        self.sandbox.wait().expect("reaped");
        if let Some(audit) = audit {
            if !self.expects_violations {
                assert_eq!(audit["violations"], json!([]), "a promise was broken");
            }
            if !self.expects_strangers_touched {
                assert_eq!(audit["strangersTouched"], json!([]), "a stranger was touched");
            }
            if !self.expects_leftovers {
                assert_eq!(audit["orphans"], json!([]), "an instance was leaked");
            }
        }
    }
}
