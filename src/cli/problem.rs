//! An error as the user sees it: what happened, to what, and what to do next.

mod access;
mod end;
mod kind;
mod rival;

use serde_json::json;

pub(super) use end::of_end;
pub(super) use kind::Kind;
pub(super) use rival::{of_rival, of_stop};

use super::exit::Exit;
use super::ui::{Tone, Ui, plain};
use crate::config::{DeploymentTag, DeploymentTarget, Problems};
use crate::engine::Stop;
use crate::journal::{
    FindError, JournalError, KeyOrigin, Kin, ResolveError, SealError, StartError, TakeError, TargetHeld,
    WriteError,
};
use crate::run::{Direction, Failure, RunState, stamp};
use crate::workflows::SERVICE;

/// An error before there is a run, or after its end.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) exit: Exit,
}

impl Report {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: None, exit: Exit::Usage }
    }

    pub(super) fn ours(message: impl Into<String>) -> Self {
        Self { kind: Kind::Ours, message: message.into(), hint: None, exit: Exit::Ours }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the report where the user looks for it.
    pub(super) fn print(&self, ui: &Ui) -> Exit {
        if ui.is_json {
            ui.json(&json!({"error": {"kind": self.kind, "message": self.message, "hint": self.hint}}));
            return self.exit;
        }
        ui.err(&format!("{} {}", ui.err_tone(Tone::Bad, "error:"), plain(&self.message)));
        if let Some(hint) = &self.hint {
            ui.err(&format!("{} {hint}", ui.err_tone(Tone::Dim, "hint:")));
        }
        self.exit
    }
}

/// The message of an error, followed by those of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Problems> for Report {
    fn from(problems: Problems) -> Self {
        let n = problems.0.len();
        let report =
            Self { kind: Kind::Configuration, message: problems.to_string(), hint: None, exit: Exit::Usage };
        if n > 1 {
            report.hint(format!("{n} problems; nothing was changed"))
        } else {
            report.hint("nothing was changed")
        }
    }
}

impl From<JournalError> for Report {
    fn from(error: JournalError) -> Self {
        let hint = match &error {
            JournalError::Full { .. } => {
                Some("make room, then resume the run: the journal is as it was".to_owned())
            }
            JournalError::Locked { .. } => {
                Some("find who holds it, for instance with `lsof`, then try again".to_owned())
            }
            JournalError::NotOurs { .. } => Some("name another file with --journal".to_owned()),
            JournalError::Newer { .. } => Some("use that version of deployctl, or a newer one".to_owned()),
            JournalError::NetworkFileSystem { .. } => {
                Some("name a file on a local disk with --journal".to_owned())
            }
            JournalError::ReadOnly { .. } | JournalError::Open { .. } => {
                Some("check who owns the file and its folder, or name another with --journal".to_owned())
            }
            JournalError::Damaged { .. } => Some(
                "keep the file, and put back a copy; `sqlite3 FILE .recover` may save what is in it"
                    .to_owned(),
            ),
            JournalError::WithoutLog { log, .. } => Some(format!(
                "copy {} as well, from where this file came from: the journal, its -wal and its .key belong together; \
                 where it is lost for good, an empty file of that name opens the journal without what was in it",
                log.file_name().unwrap_or_default().display()
            )),
            JournalError::Pragma { .. }
            | JournalError::Sqlite { .. }
            | JournalError::Decode { .. }
            | JournalError::NoSuchRun(_) => None,
            JournalError::Altered { .. } => Some(
                "nothing was sent; put back a copy of the journal from before the change, and look in the cloud for what the run did"
                    .to_owned(),
            ),
            JournalError::Seal(error) => of_key(error).map(ToOwned::to_owned),
        };
        Self { kind: Kind::Journal, message: chain(&error), hint, exit: Exit::Ours }
    }
}

/// One of several runs, as text: `1b2c3d4e  succeeded    web@1f3a9c02`.
pub(super) fn of_kin(kin: &Kin) -> String {
    format!("{}  {:12} {}", kin.run.short(), kin.state.as_str(), deployment_of(kin))
}

/// The target of a run's deployment, if the run learned it.
pub(super) fn target_of_kin(kin: &Kin) -> Option<Result<DeploymentTarget, serde_json::Error>> {
    kin.targets_of(SERVICE).next().map(serde_json::from_str)
}

/// The text with which a user can name a run's deployment: its name, with the digest of its target if it has one.
pub(super) fn deployment_of(kin: &Kin) -> String {
    match target_of_kin(kin) {
        Some(Ok(target)) => DeploymentTag::of(&kin.name, &target).to_string(),
        Some(Err(_)) | None => kin.name.clone(),
    }
}

/// What to do about the journal's key.
const fn of_key(error: &SealError) -> Option<&'static str> {
    match error {
        SealError::BadVariable { .. } => {
            Some("`openssl rand -base64 32` prints such a key; nothing was written")
        }
        SealError::Missing { .. } => Some(
            "put the file back, or set DEPLOYCTL_JOURNAL_KEY to what was in it; `deployctl history` needs no key, and \
             --journal names another journal",
        ),
        SealError::WrongKey { origin: KeyOrigin::Given(_) } => Some(
            "set it to the journal's key, which after `deployctl key rotate` is the new one; nothing was written",
        ),
        SealError::BadFile { .. } | SealError::WrongKey { origin: KeyOrigin::File(_) } => Some(
            "put the journal's own key file back, or set DEPLOYCTL_JOURNAL_KEY to what was in it; nothing was written",
        ),
        SealError::File { .. } => Some("check who owns the file and its folder"),
        SealError::Rotated => Some("nothing was written; try again"),
        SealError::Unopened { .. } | SealError::Clear { .. } => {
            Some("nothing was sent; put back a copy of the journal from before the change")
        }
        SealError::OnlyLooking => None,
    }
}

impl From<FindError> for Report {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Journal(error) => error.into(),
            FindError::None { .. } => {
                Self::usage(error.to_string()).hint("`deployctl history` lists the runs")
            }
            FindError::NothingChanged => {
                Self::usage(error.to_string()).hint("`deployctl history` lists the runs")
            }
            FindError::SeveralDeployments { ref newest, .. } => {
                let lines: Vec<String> = newest.iter().map(|kin| format!("\n  {}", of_kin(kin))).collect();
                Self::usage(format!("{error}:{}", lines.concat())).hint("say which run, by its id")
            }
            FindError::Ambiguous { ref candidates, .. } => {
                let ids: Vec<String> = candidates.iter().map(ToString::to_string).collect();
                Self::usage(error.to_string()).hint(format!("one of {}", ids.join(", ")))
            }
        }
    }
}

/// The report when a run's past forbids the command.
pub(super) fn refused(failure: &Failure) -> Report {
    Report {
        kind: Kind::Refused,
        message: failure.to_string(),
        hint: Some("nothing was changed".to_owned()),
        exit: Exit::Usage,
    }
}

/// What to do about a stuck run.
fn way_out(run: &str) -> String {
    format!(
        "`deployctl history {run}` shows where it is stuck; mend that, then `deployctl rollback {run}` tries again, or \
         `deployctl resolve {run} STEP --as undone --reason …` records what was done by hand; forwards, `deployctl retry \
         {run}` tries the step again"
    )
}

fn held(held: &TargetHeld) -> Report {
    let run = held.run.short();
    Report {
        kind: Kind::Held,
        message: format!("{} is held by run {} ({})", held.target, held.run, held.state),
        hint: Some(match held.state {
            // Do not advise a resume that would be refused.
            RunState::Stuck => way_out(&run),
            RunState::Failed => format!("`deployctl rollback {run}` takes it back"),
            RunState::RollingBack => format!("`deployctl resume {run}` goes on with its way back"),
            _ => {
                format!("`deployctl resume {run}` goes on with it, `deployctl rollback {run}` takes it back")
            }
        }),
        exit: Exit::Refused,
    }
}

impl From<StartError> for Report {
    fn from(error: StartError) -> Self {
        match error {
            StartError::TargetHeld(target) => held(&target),
            StartError::Unfit(failure) => Self::ours(failure.to_string()),
            StartError::Write(error) => error.into(),
        }
    }
}

impl From<WriteError> for Report {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TargetHeld(target) => held(&target),
            WriteError::Journal(error) => error.into(),
            WriteError::LeaseLost { .. } | WriteError::Illegal(_) => Self::ours(error.to_string()),
        }
    }
}

impl From<TakeError> for Report {
    fn from(error: TakeError) -> Self {
        let message = error.to_string();
        let refused = |hint: String| Self {
            kind: Kind::Held,
            message: message.clone(),
            hint: Some(hint),
            exit: Exit::Refused,
        };
        match error {
            TakeError::Held { run, ref by, until } => {
                let run = run.short();
                refused(format!(
                    "`deployctl watch {run}` follows it; its lease lasts until {} unless it is renewed: when {} is gone for \
                     sure, --force-lease takes the run from it",
                    stamp(until),
                    by.host
                ))
            }
            TakeError::Alive { ref by, .. } => {
                refused(format!("stop process {} first; the run can be taken up at once then", by.pid))
            }
            TakeError::Busy { ref lock, .. } => {
                refused(format!("wait for it, or stop it; `fuser {}` names the process", lock.display()))
            }
            TakeError::TargetHeld(target) => held(&target),
            TakeError::Superseded { by, state: RunState::RolledBack, .. } => refused(format!(
                "run {} is rolled back already, and this one cannot be any more: start the version that you want",
                by.short()
            )),
            TakeError::Superseded { by, .. } => {
                refused(format!("`deployctl rollback {}` comes first", by.short()))
            }
            TakeError::Abandoned { run, state, .. } if state.is_over() => {
                let run = run.short();
                Self::usage(message).hint(format!(
                    "it cannot be gone on with, nor back from: start the version that you want (`deployctl history {run}`)"
                ))
            }
            TakeError::Abandoned { run, keep, .. } => Self::usage(message).hint(format!(
                "`deployctl abandon {} --keep {}` goes on with that",
                run.short(),
                keep.as_str()
            )),
            TakeError::NothingToRetry { run, state, direction } => {
                let run = run.short();
                let hint = match (state, direction) {
                    (RunState::Stuck, Direction::Backward) => way_out(&run),
                    (RunState::Failed, _) => format!("`deployctl rollback {run}` takes it back"),
                    _ => format!("`deployctl resume {run}` goes on with it"),
                };
                Self::usage(message).hint(hint)
            }
            TakeError::Over { run, state } => {
                let run = run.short();
                let hint = match state {
                    RunState::Stuck => way_out(&run),
                    RunState::Failed => format!(
                        "`deployctl retry {run}` tries the step again that failed, `deployctl rollback {run}` takes it back"
                    ),
                    _ => format!("`deployctl history {run}` shows it; there is nothing left to do"),
                };
                Self::usage(format!("run {run} is {state}")).hint(hint)
            }
            TakeError::Write(error) => error.into(),
        }
    }
}

impl From<ResolveError> for Report {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Take(error) => error.into(),
            ResolveError::NoSuchStep { run, .. } | ResolveError::NotStuck { run, .. } => {
                Self::usage(error.to_string())
                    .hint(format!("`deployctl history {}` shows its steps", run.short()))
            }
        }
    }
}

/// The report for what stopped a plan.
impl From<Stop> for Report {
    fn from(stop: Stop) -> Self {
        let of = |kind: Kind, failure: &Failure, exit: Exit| Self {
            kind,
            message: failure.to_string(),
            hint: None,
            exit,
        };
        match stop {
            Stop::Failed(failure) if failure.is_held() => {
                of(Kind::Held, &failure, Exit::Refused).hint("nothing was changed")
            }
            Stop::Failed(failure) => of(Kind::Failed, &failure, Exit::Usage).hint("nothing was changed"),
            Stop::Suspended(failure) => {
                of(Kind::Unreachable, &failure, Exit::Suspended).hint("try again later")
            }
            Stop::Interrupted => Self {
                kind: Kind::Interrupted,
                message: "interrupted".to_owned(),
                hint: None,
                exit: Exit::Interrupted,
            },
            Stop::TargetHeld(target) => held(&target),
            Stop::Ours(failure) => of(Kind::Ours, &failure, Exit::Ours),
            Stop::Broken(error) => error.into(),
            Stop::TakenOver(failure) => of(Kind::LeaseLost, &failure, Exit::Refused),
            Stop::LeaseLost(_) => Self::ours("the lease was lost"),
            Stop::Diverged(diverged) => Self::ours(diverged.to_string()),
            Stop::UnknownWorkflow(unknown) => Self::ours(unknown.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
