//! What the user is told about a run at the end of the command that drove it.

use super::{Kind, Report, chain, held};
use crate::cli::exit::Exit;
use crate::engine::End;
use crate::run::RunId;
use crate::workflows::RETIRES;

/// The report on a run that did not simply succeed: what happened, and what to do next.
pub(in crate::cli) fn of_end(run: RunId, end: &End) -> Option<Report> {
    let id = run.short();
    let report = |kind, message: String, hint: String| {
        Some(Report { kind, message, hint: Some(hint), exit: Exit::of(end) })
    };
    match end {
        End::Succeeded | End::RolledBack(None) => None,
        End::Suspended(failure) if failure.waits().is_some() => None,
        End::RolledBack(Some(failure)) => report(
            if failure.is_held() { Kind::Held } else { Kind::RolledBack },
            failure.to_string(),
            format!("everything that run {id} changed is changed back; `deployctl history {id}` shows how"),
        ),
        End::Refused(failure) => report(
            if failure.is_held() { Kind::Held } else { Kind::Refused },
            failure.to_string(),
            "nothing was changed".to_owned(),
        ),
        End::TargetHeld(target) => Some(held(target)),
        End::Halted(failure) => report(
            Kind::Halted,
            failure.to_string(),
            format!(
                "everything is left as it is; `deployctl retry {id}` tries the step again once it is mended, \
                 `deployctl rollback {id}` takes it back"
            ),
        ),
        End::NotAbandoned(failure) => report(
            Kind::Halted,
            failure.to_string(),
            format!(
                "the rest is left as it is; `deployctl abandon {id} --keep new` goes on once it is mended"
            ),
        ),
        End::Stuck { step, subject, failure } => {
            let named = subject.as_ref().map_or_else(|| step.clone(), |subject| format!("{step} {subject}"));
            report(
                Kind::Stuck,
                format!("{named} cannot be undone: {failure}"),
                format!(
                    "mend it by hand, then `deployctl rollback {id}` tries again, or `deployctl resolve {id} {} --as undone --reason …`{}",
                    if subject.is_some() { format!("'{named}'") } else { named.clone() },
                    if step == RETIRES {
                        format!(
                            " (with `--instance OCID` where you made the instance that `deployctl show {id} --old` shows)"
                        )
                    } else {
                        String::new()
                    }
                ),
            )
        }
        End::Deadly { failure, .. } => report(
            Kind::Stuck,
            failure.to_string(),
            format!(
                "`deployctl retry {id}` tries it again once that is mended, `deployctl rollback {id}` takes it back"
            ),
        ),
        End::Suspended(failure) => report(
            Kind::Suspended,
            failure.to_string(),
            format!(
                "nothing is lost; `deployctl resume {id}` goes on, `deployctl rollback {id}` takes it back"
            ),
        ),
        End::Interrupted => report(
            Kind::Interrupted,
            format!("run {id} was interrupted"),
            format!(
                "nothing is lost; `deployctl resume {id}` goes on, `deployctl rollback {id}` takes it back"
            ),
        ),
        End::LeaseLost(holder) => {
            let by = holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string);
            report(
                Kind::LeaseLost,
                format!("{by} took over run {id}"),
                format!("`deployctl watch {id}` follows it"),
            )
        }
        End::TakenOver(failure) => report(
            Kind::LeaseLost,
            failure.to_string(),
            "this process has stopped and undoes nothing; the run goes on where it was recovered".to_owned(),
        ),
        End::Diverged(diverged) => report(
            Kind::Diverged,
            diverged.to_string(),
            format!("use the version of deployctl that started run {id}, or `deployctl rollback {id}`"),
        ),
        End::UnknownWorkflow(unknown) => report(
            Kind::Ours,
            unknown.to_string(),
            format!("use the version of deployctl that started run {id}, or `deployctl rollback {id}`"),
        ),
        End::Ours(failure) => report(
            Kind::Ours,
            failure.to_string(),
            format!("the journal is right; `deployctl resume {id}` once it is mended"),
        ),
        End::Broken(error) => {
            let message = chain(error);
            report(
                Kind::Journal,
                message,
                format!("nothing more was sent; mend it, then `deployctl resume {id}`"),
            )
        }
    }
}
