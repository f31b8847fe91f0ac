//! `deployctl demo`: a rollout under load, killed, resumed, rolled back, and the count of lost requests: none.

mod report;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::DemoArgs;
use super::exit::Exit;
use super::problem::Report;
use super::sandbox::write_home;
use super::session::Session;
use super::signals::beside_signals;
use super::ui::Tone;
use crate::journal::{Journal, KeySource};
use crate::probe::{Load, probe};
use crate::run::StepStatus;
use crate::sandbox::{Handle, Options, Sandbox};
use crate::workflows::KINSHIP;
use report::Verdict;

/// How many times faster than the real service the demo's cloud is.
const TIME_SCALE: f64 = 25.0;
/// Traffic before, between and after the acts.
const CALM: Duration = Duration::from_secs(1);
/// An act that takes longer than this has failed.
const ACT_LIMIT: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn tour(session: &Session<'_>, args: &DemoArgs) -> Result<Exit, Report> {
    let cancel = CancellationToken::new();
    let told = beside_signals(session.ui, &cancel, async {
        tokio::select! {
            () = cancel.cancelled() => Ok(Exit::Interrupted),
            told = tell(session, args) => told,
        }
    });
    match told.await? {
        (Some(told), _) => told,
        (None, signalled) => Ok(signalled.unwrap_or(Exit::Interrupted)),
    }
}

async fn tell(session: &Session<'_>, args: &DemoArgs) -> Result<Exit, Report> {
    let started = Instant::now();
    let home = Home::make()?;
    let options = Options { time_scale: TIME_SCALE, ..Options::default() };
    let sandbox = Sandbox::start(options).await;
    let sandbox = sandbox.map_err(|error| Report::ours(format!("the sandbox cannot start: {error}")))?;
    write_home(session, &sandbox, home.path())?;
    let front = front_door(&sandbox)?;
    let say = |text: &str| session.ui.note(&session.ui.err_tone(Tone::Dim, &format!("-- {text}")));
    say(&format!("a local OCI at {}; version 1 serves at http://{front}", sandbox.url()));
    say(&format!("{} requests a second go through the load balancer, none is ever repeated", args.rate));

    let stop = CancellationToken::new();
    let acts = async {
        let done = acts(session, &sandbox, &home, &say).await;
        stop.cancel();
        done
    };
    let (findings, done) = tokio::join!(probe(front, Load::of(args.rate), stop.clone()), acts);
    done?;
    let verdict = Verdict::of(findings, &sandbox, started.elapsed());
    sandbox.stop().await;
    let is_json = session.ui.is_json;
    if is_json {
        session.ui.json(&verdict.json());
    } else {
        session.ui.out(&verdict.table());
    }
    Ok(if verdict.is_good() { Exit::Done } else { Exit::Ours })
}

async fn acts(
    session: &Session<'_>,
    sandbox: &Handle,
    home: &Home,
    say: &impl Fn(&str),
) -> Result<(), Report> {
    session.clock.sleep(CALM).await;
    say("version 2 is rolled out by a process of its own …");
    let mut child = home.spawn(session, sandbox, &["start", "web.json"])?;
    wait_for_the_drain(session, home, &mut child).await?;
    child.start_kill().map_err(|error| Report::ours(format!("cannot kill the rollout: {error}")))?;
    wait(&mut child).await?;
    say("… which is killed with SIGKILL while the old backend drains. Traffic goes on.");
    session.clock.sleep(CALM).await;
    say("`resume` goes on from the last checkpoint:");
    let mut child = home.spawn(session, sandbox, &["resume", "latest"])?;
    expect_success("resume", wait(&mut child).await?)?;
    say("version 2 serves, the old instance is gone. And back again, with `rollback`:");
    session.clock.sleep(CALM).await;
    let mut child = home.spawn(session, sandbox, &["rollback", "latest"])?;
    expect_success("rollback", wait(&mut child).await?)?;
    session.clock.sleep(CALM).await;
    Ok(())
}

fn expect_success(act: &str, status: ExitStatus) -> Result<(), Report> {
    if status.success() { Ok(()) } else { Err(Report::ours(format!("`{act}` ended with {status}"))) }
}

async fn wait(child: &mut Child) -> Result<ExitStatus, Report> {
    match tokio::time::timeout(ACT_LIMIT, child.wait()).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(error)) => Err(Report::ours(format!("a process of the demo is lost: {error}"))),
        Err(_) => Err(Report::ours("an act of the demo does not end")),
    }
}

/// Watches the journal until the rollout waits for the old backend's requests to end.
async fn wait_for_the_drain(session: &Session<'_>, home: &Home, child: &mut Child) -> Result<(), Report> {
    let deadline = Instant::now() + ACT_LIMIT;
    let journal =
        Journal::open(&home.journal(), KeySource::default(), session.clock).await?.related_by(KINSHIP);
    loop {
        let runs = journal.runs(1).await?;
        if let Some(run) = runs.first() {
            let steps = journal.run(run.id).await?.steps;
            if steps.iter().any(|step| step.name == "await-drain" && step.status == StepStatus::Begun) {
                return Ok(journal.close().await?);
            }
        }
        let ended = child.try_wait().map_err(|error| Report::ours(error.to_string()))?;
        if ended.is_some() || Instant::now() > deadline {
            return Err(Report::ours("the rollout did not come to its drain"));
        }
        session.clock.sleep(LOOK).await;
    }
}

/// The address at which the load balancer's first listener really listens.
fn front_door(sandbox: &Handle) -> Result<std::net::SocketAddr, Report> {
    let state = sandbox.state();
    let address =
        state["loadBalancers"][0]["listenerAddresses"]["http"].as_str().and_then(|at| at.parse().ok());
    address.ok_or_else(|| Report::ours("the sandbox has no listener"))
}

/// A home folder for the demo's processes, removed at the end. No other user can know its name or read it.
struct Home(tempfile::TempDir);

impl Home {
    fn make() -> Result<Self, Report> {
        let made = tempfile::Builder::new().prefix("deployctl-demo-").tempdir();
        let folder =
            made.map_err(|error| Report::usage(format!("the demo's folder cannot be made: {error}")))?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn journal(&self) -> PathBuf {
        self.path().join("journal.db")
    }

    /// Starts this program with its own home, journal and endpoint.
    fn spawn(&self, session: &Session<'_>, sandbox: &Handle, args: &[&str]) -> Result<Child, Report> {
        let program = std::env::current_exe().map_err(|error| Report::ours(error.to_string()))?;
        let mut command = Command::new(program);
        command.args(args).args(["--endpoint", &sandbox.url()]).arg("--journal").arg(self.journal());
        if session.ui.is_quiet || session.ui.is_json {
            command.arg("--quiet");
        }
        let inherited = ["TERM", "NO_COLOR", "LANG", "LC_ALL", "USER"];
        command.env_clear().envs(inherited.iter().filter_map(|name| Some((name, session.env.get(name)?))));
        command.env("HOME", self.path()).env("NO_PROXY", "127.0.0.1");
        // The result of an act is not the result of the demo.
        command.current_dir(self.path()).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().map_err(|error| Report::ours(format!("cannot start a process: {error}")))
    }
}
