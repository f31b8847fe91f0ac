//! The command line.

mod deployment;
mod global;
mod of_run;
#[cfg(feature = "sandbox")]
mod stand_in;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::run::RunSelector;
pub(super) use deployment::DeploymentArgs;
pub(super) use global::{Color, Global, Output};
use of_run::{HoldArgs, KeepArg, LeaseArgs, ResolutionArg, UntilArg};
#[cfg(all(feature = "probe", feature = "sandbox"))]
pub(super) use stand_in::DemoArgs;
#[cfg(feature = "sandbox")]
pub(super) use stand_in::{SandboxArgs, Scenery};

const EXIT_CODES: &str = "Exit codes:
  0  done                                5  stuck: a person is needed
  1  our fault                           6  refused: another run or process holds it
  2  usage or configuration, unchanged  75  suspended: resume later
  3  failed and rolled back            130  interrupted (SIGINT), resumable
  4  failed and halted                 143  interrupted (SIGTERM), resumable";

const ROLLBACK: &str = "\
Undo a run, or the newest one of a deployment: replay its compensations in reverse.

What is named is a run (an id, the beginning of one, or `latest`: the newest run that changed anything, when all such \
runs are of one deployment), a deployment's file with the arguments that it is started with, or a deployment's name \
(`web`, or `web@1f3a9c02` where two share it), whose newest run that changed anything is meant. What ends in .edn, \
.yaml, .yml or .json, or has a slash, is a file.

With --to, nothing is undone: a new run rolls out what the run of an earlier revision was started with, secrets and all, \
also when the instances of that revision are long gone. `deployctl revisions` lists the revisions.

On a terminal the rollback of a run that succeeded, or to an earlier revision, is shown and asked for.";

const RECOVER: &str = "\
Take up a run of the deployment whose process and disk are gone.

What the run has done is inferred from the cloud: from the tags of the instance that it created, and from the backends. \
Nothing is created, drained or deleted. The run is recorded in this journal under its own id, and left suspended: \
`resume` goes on with it, `rollback` takes it back.";

const WHAT: &str = "A run: an id, the beginning of one, or `latest`; or a deployment: its file or its name";

const KNOWN: &str = "A deployment: its file, or its name, `web` or `web@1f3a9c02`";

const SHOWN: &str = "The deployment file: .edn, .yaml, .yml or .json; with --old a run: an id, the beginning of one, or `latest`";

/// The arguments that describe a deployment, besides its file.
const ONLY_OF_A_DEPLOYMENT: [&str; 11] = [
    "alias",
    "name",
    "config_file",
    "ci_config",
    "ci_config_file",
    "ci_filter",
    "lb_filter",
    "backends",
    "first",
    "replace",
    "allow_unknown_fields",
];

/// The command line as declared, except that the argument of `rollback` and `show` is not only a file.
pub(super) fn command_line() -> clap::Command {
    Cli::command()
        .mut_subcommand("rollback", |rollback| {
            rollback.mut_arg("file", |file| file.value_name("RUN|DEPLOYMENT").help(WHAT))
        })
        .mut_subcommand("revisions", |revisions| revisions.mut_arg("file", |file| file.help(KNOWN)))
        .mut_subcommand("status", |status| status.mut_arg("file", |file| file.help(KNOWN)))
        .mut_subcommand("restart", |restart| restart.mut_arg("file", |file| file.help(KNOWN)))
        .mut_subcommand("show", |show| {
            show.mut_arg("file", |file| file.value_name("DEPLOYMENT|RUN").help(SHOWN))
        })
}

/// Replaces OCI container instances behind a load balancer without dropping a request.
#[derive(Debug, Parser)]
#[command(name = "deployctl", version, after_help = EXIT_CODES, propagate_version = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Replace the instance that the deployment describes
    Start {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Only show what would be done, as `plan` does
        #[arg(long)]
        dry_run: bool,
        /// Print the run's id and let it go on by itself, without a terminal; `watch` follows it
        #[arg(long, conflicts_with = "dry_run")]
        detach: bool,
        /// First end the runs of the deployment whose journal is lost: a version that serves alone stays, any other is rolled back
        #[arg(long, conflicts_with = "dry_run")]
        recover: bool,
        /// With --recover: do not wait until nothing has changed for a minute
        #[arg(long, requires = "recover")]
        now: bool,
        /// Wait until another run of the deployment is over, and plan anew; at most an hour, or DURATION
        #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, conflicts_with = "dry_run",
              default_missing_value = "1h", value_parser = humantime::parse_duration)]
        wait: Option<std::time::Duration>,
        /// Do nothing, and exit with 0, if what serves is already as the deployment describes it
        #[arg(long, conflicts_with_all = ["dry_run", "detach"])]
        if_changed: bool,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT", conflicts_with = "dry_run")]
        reason: Option<String>,
        /// How far the run goes by itself: `registered` leaves the new version healthy, and without requests, until `promote`
        #[arg(
            long,
            value_name = "WHERE",
            default_value = "end",
            hide_default_value = true,
            conflicts_with = "dry_run"
        )]
        until: UntilArg,
        #[command(flatten)]
        hold: HoldArgs,
    },
    /// Show each call that `start` would make, changing nothing
    Plan {
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Go on from a run's last checkpoint, forwards or backwards
    Resume {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        #[command(flatten)]
        lease: LeaseArgs,
        #[command(flatten)]
        hold: HoldArgs,
    },
    /// Open the gate at which a run waits, and go on with it if no process drives it
    Promote {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// Open every later gate as well
        #[arg(long)]
        full: bool,
        /// Only open the gate; `resume` goes on
        #[arg(long)]
        no_resume: bool,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        hold: HoldArgs,
    },
    /// Let a run hold after its present step
    Pause {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a paused run go on
    Unpause {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        hold: HoldArgs,
    },
    /// Take a run back that is not over, whichever process drives it
    Abort {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Take up a run of the deployment whose process and disk are gone
    #[command(long_about = RECOVER)]
    Recover {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// The run that is meant, if several are not over: the beginning of its id
        #[arg(long, value_name = "RUN")]
        run: Option<RunSelector>,
        /// Do not wait until nothing has changed for a minute: for when the run's process is gone for sure
        #[arg(long)]
        now: bool,
    },
    /// Try the step again at which a run stopped, and go on from there
    ///
    /// The step at which a run failed that was told to halt; or the one in which its processes died time and again.
    Retry {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        #[command(flatten)]
        lease: LeaseArgs,
    },
    /// Undo a run, or the newest one of a deployment: replay its compensations in reverse
    #[command(long_about = ROLLBACK)]
    Rollback {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Instead, roll out an earlier revision once more, as a run of its own: its number, or its run
        #[arg(long, value_name = "REVISION", conflicts_with = "force_lease")]
        to: Option<String>,
        /// With --to: wait until another run of the deployment is over; at most an hour, or DURATION
        #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, requires = "to",
              default_missing_value = "1h", value_parser = humantime::parse_duration)]
        wait: Option<std::time::Duration>,
        /// Do not ask before a run that succeeded is rolled back
        #[arg(short, long)]
        yes: bool,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        lease: LeaseArgs,
    },
    /// Roll out the current revision once more, for a moving tag or a sick instance
    Restart {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Wait until another run of the deployment is over; at most an hour, or DURATION
        #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
              default_missing_value = "1h", value_parser = humantime::parse_duration)]
        wait: Option<std::time::Duration>,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Show the runs, or one run step by step
    History {
        /// An id, the beginning of one, or `latest`
        run: Option<RunSelector>,
        /// Show every event
        #[arg(long, requires = "run")]
        events: bool,
        /// How many runs, the newest first; 0 for all
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Show what serves a deployment now, and what differs from what its runs have left
    Status {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Show it again each time that something has changed, until Ctrl-C
        #[arg(short, long)]
        watch: bool,
    },
    /// Show which versions have served, who deployed them and why, and what replaced them
    Revisions {
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Drain and remove the backends of one instance, and delete it
    #[command(mut_arg("first", |arg| arg.hide(true)), mut_arg("replace", |arg| arg.hide(true)))]
    Destroy {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// The instance's OCID
        #[arg(long, value_name = "OCID")]
        id: String,
        /// Only show what would be done
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long, conflicts_with = "dry_run")]
        yes: bool,
    },
    /// Show the resolved deployment, or how a run's old instance was made; secrets masked
    Show {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Show how the old instance of a run was made, in the words of the API
        #[arg(long, requires = "file", conflicts_with_all = ONLY_OF_A_DEPLOYMENT)]
        old: bool,
    },
    /// Check a deployment, without the cloud unless `--online`
    Validate {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Also sign in, and look whether what it names exists, but for images
        #[arg(long)]
        online: bool,
    },
    /// Print the JSON Schema of deployment files, for editors
    Schema,
    /// End a run that cannot go on: keep the side that serves, and take the other one away
    Abandon {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// The side that is kept; it must serve
        #[arg(long, value_name = "SIDE")]
        keep: KeepArg,
        /// Why, for those who read the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        lease: LeaseArgs,
    },
    /// Record what a person did to the step on which a run is stuck
    Resolve {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
        /// The step, as the history shows it: its name, its name and what it acts on, or its number
        step: String,
        /// `undone`: its effect is gone; `done`: its effect stays
        #[arg(long = "as", value_name = "WHAT")]
        resolution: ResolutionArg,
        /// Why, for those who read the history; with --instance it may be left out
        #[arg(long, value_name = "TEXT", required_unless_present = "instance")]
        reason: Option<String>,
        /// The instance that was made by hand in place of the old one, of `retire-instance` alone
        #[arg(long, value_name = "OCID")]
        instance: Option<String>,
    },
    /// Follow a run that another process drives, or that is over
    Watch {
        /// An id, the beginning of one, or `latest`
        run: RunSelector,
    },
    /// List what earlier runs left behind in the cloud; with --yes, take it away
    ///
    /// That is an instance with our tags which serves nowhere, was not kept by a run, and is not needed by a run of this
    /// journal. It is drained and removed wherever it is still registered, and then deleted, as a run of its own.
    Prune {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// What was created so long ago: a younger instance may be of a run on another machine
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
        older_than: std::time::Duration,
        /// Take it away
        #[arg(short, long)]
        yes: bool,
    },
    /// The journal itself
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
    /// The key with which the journal's secrets are sealed
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Serve a local OCI on one port, with real containers and a real proxy
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
    /// The guided tour: a rollout under load, killed, resumed, rolled back
    #[cfg(all(feature = "probe", feature = "sandbox"))]
    Demo(DemoArgs),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

impl Command {
    /// Whether the process waits where only a person lets its run go on, also without a terminal.
    pub(super) const fn holds(&self) -> bool {
        match self {
            Self::Start { hold, .. }
            | Self::Resume { hold, .. }
            | Self::Promote { hold, .. }
            | Self::Unpause { hold, .. } => hold.hold,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum JournalCommand {
    /// List the old runs that no rollback needs, and with --yes delete them
    ///
    /// The newest success of each deployment stays, and so does every run that is not over. What is deleted here is only
    /// the record of a run: nothing in the cloud is touched.
    Prune {
        /// Runs that were over so long ago
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = humantime::parse_duration)]
        older_than: std::time::Duration,
        /// Keep so many of the newest in any case
        #[arg(long, value_name = "N", default_value_t = 100)]
        keep: u32,
        /// Delete them
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum KeyCommand {
    /// Seal the journal anew, with another key
    ///
    /// The new key is drawn at random and takes the place of the key file, or is what `DEPLOYCTL_JOURNAL_NEW_KEY` says:
    /// it must say so when the key is in `DEPLOYCTL_JOURNAL_KEY`. Killed at any instant, one of the two keys opens the
    /// journal; do it again then. Copies of the journal that were made before are opened by the old key.
    Rotate,
}
