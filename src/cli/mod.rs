//! The face: formats, never decides.

mod abandon;
mod args;
mod check;
mod confirm;
#[cfg(feature = "sandbox")]
pub mod demo;
mod detach;
mod drive;
mod exit;
mod foresee;
mod history;
mod key;
mod log;
mod meant;
mod opening;
mod problem;
mod regions;
mod reporter;
mod resolve;
#[cfg(feature = "sandbox")]
mod sandbox;
mod session;
mod settings;
mod sign_in;
mod signals;
mod ui;
mod usage;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;

use clap::FromArgMatches as _;
use rustix::process::{Resource, Rlimit, setrlimit};

pub use exit::Exit;

use crate::clock::Clock;
use crate::config::{NotText, json_schema};
use args::{Cli, Command, command_line};
use confirm::Confirmation;
use drive::Destroying;
use problem::Report;
use session::Session;
use ui::Ui;

/// The environment, read once. Keys and pass phrases may be in it.
#[derive(Clone, Default)]
pub struct Env {
    values: HashMap<String, String>,
    /// The variables whose values are no text.
    unreadable: BTreeSet<String>,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Env {
    /// An environment of these variables alone.
    #[cfg(test)]
    fn of(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect(), unreadable: BTreeSet::new() }
    }

    /// The environment of this process.
    pub fn of_the_process() -> Self {
        let mut env = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(env.values.insert(name, value)),
                Err(_) => drop(env.unreadable.insert(name)),
            }
        }
        env
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A variable that a deployment names. One that is no text is not taken for one that is not set.
    fn text(&self, name: &str) -> Result<Option<String>, NotText> {
        if self.unreadable.contains(name) {
            return Err(NotText(name.to_owned()));
        }
        Ok(self.values.get(name).cloned())
    }

    /// Makes sure that what we are told by variables of our own can be read: one that is no text would count as not set.
    fn check(&self) -> Result<(), NotText> {
        let is_ours = |name: &str| {
            ["OCI_", "DEPLOYCTL_"].iter().any(|prefix| name.starts_with(prefix))
                || ["HOME", "XDG_STATE_HOME", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].contains(&name)
        };
        // A path may be of any bytes, and is read as one.
        let is_path = |name: &str| name == "DEPLOYCTL_JOURNAL";
        let odd = self.unreadable.iter().find(|name| is_ours(name) && !is_path(name));
        odd.map_or(Ok(()), |name| Err(NotText(name.clone())))
    }

    fn home(&self) -> Option<PathBuf> {
        self.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
    }
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>, env: &Env) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = command_line().try_get_matches_from(&args);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // The parser does not say which variable it was.
            let error = match env.check() {
                Err(odd) if error.kind() == clap::error::ErrorKind::InvalidUtf8 => {
                    command_line().error(error.kind(), odd)
                }
                Ok(()) | Err(_) => error,
            };
            return usage::refused(error, &args);
        }
    };
    let ui = Ui::new(&cli.global, env);
    log::set_up(&ui);
    keep_out_of_core_dumps();
    if let Err(error) = env.check() {
        return Report::usage(error.to_string()).hint("set it anew, or unset it").print(&ui);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Report::ours(format!("cannot start: {error}")).print(&ui),
    };
    let session = Session { ui: &ui, env, global: &cli.global, clock: Clock::system(), args: &args };
    let exit = match runtime.block_on(command(&session, cli.command)) {
        Ok(exit) => exit,
        Err(report) => report.print(&ui),
    };
    // What is still under way after a second Ctrl-C is not waited for.
    runtime.shutdown_background();
    exit
}

/// Keys, tokens and environments are in memory: a crash must not write them into a file, and no other process of the same
/// user may read them there. A machine that forbids either of the two is no worse off than before.
fn keep_out_of_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::debug!(%error, "core dumps stay as they are");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::debug!(%error, "the memory stays readable");
    }
}

async fn command(session: &Session<'_>, command: Command) -> Result<Exit, Report> {
    match command {
        Command::Start { deployment, dry_run: false, detach } => {
            drive::start(session, &deployment, detach).await
        }
        Command::Start { deployment, dry_run: true, .. } | Command::Plan { deployment } => {
            drive::plan(session, &deployment).await
        }
        Command::Resume { run, lease } => drive::resume(session, &run, lease.into()).await,
        Command::Rollback { deployment, yes, lease } => {
            drive::rollback(session, &deployment, Confirmation::of(yes), lease.into()).await
        }
        Command::History { run: None, limit, .. } => history::list(session, limit).await,
        Command::History { run: Some(run), events, .. } => history::one(session, &run, events).await,
        Command::Destroy { deployment, id, dry_run, yes } => {
            let way = Destroying { is_dry: dry_run, confirmation: Confirmation::of(yes) };
            drive::destroy(session, &deployment, &id, way).await
        }
        Command::Show { deployment, old: false } => check::show(session, &deployment),
        Command::Show { deployment, old: true } => {
            let run = deployment.file.unwrap_or_default();
            resolve::show_old(session, &run.to_string_lossy()).await
        }
        Command::Validate { deployment, online } => check::validate(session, &deployment, online).await,
        Command::Schema => {
            session.ui.exact(&format!("{:#}", json_schema()));
            Ok(Exit::Done)
        }
        Command::Resolve { run, step, resolution, reason, instance } => {
            let word = resolve::Word { resolution: resolution.into(), reason, instance };
            resolve::resolve(session, &run, &step, &word).await
        }
        Command::Key { command } => key::run(session, &command).await,
        Command::Abandon { run, keep, reason, yes, lease } => {
            let word = abandon::Word { keep: keep.into(), reason, confirmation: Confirmation::of(yes) };
            abandon::abandon(session, &run, word, lease.into()).await
        }
        Command::Watch { run } => history::watch(session, &run).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::serve(session, args).await,
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::tour(session, &args).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command_line(), "deployctl", &mut script);
            session.ui.exact(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command_line())
                .render(&mut page)
                .map_err(|error| Report::ours(error.to_string()))?;
            session.ui.exact(&String::from_utf8_lossy(&page));
            Ok(Exit::Done)
        }
    }
}
