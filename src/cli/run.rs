//! From the arguments to the command, and from its end to the exit code.

use std::ffi::OsString;
use std::num::NonZeroU32;

use clap::FromArgMatches as _;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::again::{Again, Which, roll_out_again};
use super::args::{Cli, Command, command_line};
use super::confirm::Confirmation;
#[cfg(all(feature = "probe", feature = "sandbox"))]
use super::demo;
use super::drive::{Destroying, Lost};
use super::exit::Exit;
use super::io::Io;
use super::problem::Report;
#[cfg(feature = "sandbox")]
use super::sandbox;
use super::session::Session;
use super::ui::Ui;
use super::variables::expect_text;
use super::{
    abandon, check, drive, history, journal, key, log, prune, recover, resolve, revisions, serving, steer,
    usage,
};
use crate::clock::Clock;
use crate::config::json_schema;
use crate::env::Env;
use crate::run::Signal;

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>, env: &Env, io: Io) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = command_line().try_get_matches_from(&args);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // The parser does not say which variable is wrong.
            let error = match expect_text(env) {
                Err(odd) if error.kind() == clap::error::ErrorKind::InvalidUtf8 => {
                    command_line().error(error.kind(), odd)
                }
                Ok(()) | Err(_) => error,
            };
            return usage::refused(error, &args, env, &io);
        }
    };
    let ui = Ui::new(&cli.global, env, io);
    log::set_up(&ui);
    keep_out_of_core_dumps();
    if let Err(error) = expect_text(env) {
        return Report::usage(error.to_string()).hint("set it anew, or unset it").print(&ui);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Report::ours(format!("cannot start: {error}")).print(&ui),
    };
    let holds = cli.command.holds();
    let session = Session { ui: &ui, env, global: &cli.global, clock: Clock::system(), args: &args, holds };
    let exit = match runtime.block_on(command(&session, cli.command)) {
        Ok(exit) => exit,
        Err(report) => report.print(&ui),
    };
    // Work that is still under way after a second Ctrl-C is not waited for.
    runtime.shutdown_background();
    exit
}

/// Memory holds keys, tokens and environments. A crash must not write them to a file, and other processes of the same
/// user must not read them. A machine that forbids either setting is no worse off than before.
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
        Command::Start {
            deployment,
            dry_run: false,
            detach,
            recover,
            now,
            wait,
            if_changed,
            reason,
            until,
            hold: _,
        } => {
            let reason = reason.as_deref();
            let way = drive::Starting {
                is_detached: detach,
                lost: match (recover, now) {
                    (false, _) => Lost::Left,
                    (true, false) => Lost::Ended,
                    (true, true) => Lost::EndedNow,
                },
                wait,
                only_if_changed: if_changed,
                reason,
                until: until.into(),
            };
            drive::start(session, &deployment, way).await
        }
        Command::Start { deployment, dry_run: true, .. } | Command::Plan { deployment } => {
            drive::plan(session, &deployment).await
        }
        Command::Promote { run, full, no_resume, reason, hold: _ } => {
            let signal = if full { Signal::PromoteFully } else { Signal::Promote };
            steer::steer(session, &run, &steer::Asked { signal, reason, resumes: !no_resume }).await
        }
        Command::Pause { run, reason } => steer::steer(session, &run, &asked(Signal::Pause, reason)).await,
        Command::Unpause { run, reason, hold: _ } => {
            steer::steer(session, &run, &asked(Signal::Unpause, reason)).await
        }
        Command::Abort { run, reason } => steer::steer(session, &run, &asked(Signal::Abort, reason)).await,
        Command::Resume { run, lease, hold: _ } => drive::resume(session, &run, lease.into()).await,
        Command::Recover { deployment, run, now } => {
            let wanted = recover::Wanted { run: run.as_ref(), is_now: now };
            recover::recover(session, &deployment, wanted).await
        }
        Command::Retry { run, lease } => drive::retry(session, &run, lease.into()).await,
        Command::Rollback { deployment, to: Some(to), wait, yes, reason, lease: _ } => {
            let (confirmation, reason) = (Confirmation::of(yes), reason.as_deref());
            let way = Again { which: Which::Named(&to), confirmation, reason, wait };
            roll_out_again(session, &deployment, way).await
        }
        Command::Restart { deployment, wait, reason } => {
            let (confirmation, reason) = (Confirmation::Given, reason.as_deref());
            let way = Again { which: Which::Current, confirmation, reason, wait };
            roll_out_again(session, &deployment, way).await
        }
        Command::Rollback { deployment, to: None, yes, reason, lease, .. } => {
            let (confirmation, reason) = (Confirmation::of(yes), reason.as_deref());
            let way = drive::Undoing { confirmation, claim: lease.into(), reason };
            drive::rollback(session, &deployment, way).await
        }
        Command::History { run: None, limit, .. } => history::list(session, NonZeroU32::new(limit)).await,
        Command::History { run: Some(run), events, .. } => history::one(session, &run, events).await,
        Command::Status { deployment, watch } => serving::show(session, &deployment, watch).await,
        Command::Revisions { deployment } => revisions::list(session, &deployment).await,
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
        Command::Prune { deployment, older_than, yes } => {
            prune::run(session, &deployment, older_than, yes).await
        }
        Command::Journal { command } => journal::run(session, &command).await,
        Command::Key { command } => key::run(session, &command).await,
        Command::Abandon { run, keep, reason, yes, lease } => {
            let word = abandon::Word { keep: keep.into(), reason, confirmation: Confirmation::of(yes) };
            abandon::abandon(session, &run, word, lease.into()).await
        }
        Command::Watch { run } => history::watch(session, &run).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::serve(session, args).await,
        #[cfg(all(feature = "probe", feature = "sandbox"))]
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

const fn asked(signal: Signal, reason: Option<String>) -> steer::Asked {
    steer::Asked { signal, reason, resumes: true }
}
