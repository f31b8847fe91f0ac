//! Events for tests: a run to which everything happens that can happen.

use std::time::Duration;

use chrono::TimeDelta;

use super::event::{Event, EventKind};
use super::failure::Failure;
use super::id::{Fence, Seq};
use super::signal::Signal;
use super::state::RunState;
use super::words::{Effect, Holder, Keep, Resolution, Timestamp};

/// One event of each kind, or two if a kind is shown in two ways, a second and a half apart.
pub(crate) fn one_event_of_each_kind() -> Vec<Event> {
    let run = "1b2c3d4e-0000-4000-8000-000000000001".parse().expect("an id");
    let begin: Timestamp = "2026-03-01T09:00:00Z".parse().expect("a time");
    let event =
        |(n, kind)| Event { run, n, at: begin + TimeDelta::milliseconds(1500) * n.cast_signed(), kind };
    (1..).zip(kinds(begin)).map(event).collect()
}

fn kinds(since: Timestamp) -> Vec<EventKind> {
    let seq = |n| Seq::new(n).expect("not zero");
    let text = |text: &str| text.to_owned();
    let by = |pid| Holder { host: text("ci-1"), boot_id: text("boot"), pid, since, user: text("ann") };
    let away = || Failure::transient("reading the instance", "503 ServiceUnavailable");
    let begun = |n, name: &str, subject: Option<&str>, effect, attempt| EventKind::StepBegun {
        seq: seq(n),
        name: text(name),
        subject: subject.map(ToOwned::to_owned),
        effect,
        attempt,
    };
    let undo = |n, name: &str, subject: Option<&str>| EventKind::UndoBegun {
        seq: seq(n),
        name: text(name),
        subject: subject.map(ToOwned::to_owned),
        attempt: 1,
    };
    let instance = "ocid1.computecontainerinstance.oc1.iad.anuwcljrt9qpa1";
    let refused =
        Failure { request_id: Some(text("AB12")), ..Failure::permanent("registering", "409 Conflict") };
    vec![
        EventKind::RunStarted { workflow: text("redeploy"), version: 1, name: text("web") },
        begun(1, "create-instance", None, Effect::Mutation, 1),
        EventKind::StepRetrying {
            seq: seq(1),
            failure: away(),
            attempt: 2,
            delay: Duration::from_millis(1500),
        },
        EventKind::RunSuspended { failure: away() },
        EventKind::LeaseTaken { from: None, by: by(7), fence: Fence::new(2) },
        begun(1, "create-instance", None, Effect::Mutation, 3),
        EventKind::StepAdopted { seq: seq(1) },
        EventKind::StepCompleted { seq: seq(1), note: Some(text(instance)) },
        begun(2, "await-instance", Some(instance), Effect::Wait, 1),
        EventKind::Warned { seq: seq(2), message: text("its container has restarted once") },
        EventKind::StepCompleted { seq: seq(2), note: None },
        EventKind::RunInterrupted,
        EventKind::Signalled {
            n: 1,
            signal: Signal::Promote,
            reason: Some(text("looks well")),
            by: text("ann"),
            refused: Some(text("it waits at no gate")),
        },
        EventKind::LeaseTaken { from: Some(by(7)), by: by(8), fence: Fence::new(3) },
        EventKind::RunStuck {
            seq: seq(2),
            failure: Failure::permanent("await-instance", "the process has died in it 20 times in a row"),
        },
        EventKind::RunRetried { seq: seq(2), by: text("ann") },
        begun(3, "register-backend", Some("http/10.0.0.3:80"), Effect::Mutation, 1),
        EventKind::StepFailed { seq: seq(3), failure: refused.clone() },
        EventKind::RunFailed { failure: refused.clone() },
        EventKind::RollbackStarted,
        undo(3, "register-backend", Some("http/10.0.0.3:80")),
        EventKind::UndoRetrying { seq: seq(3), failure: away(), attempt: 2, delay: Duration::from_secs(4) },
        EventKind::UndoAdvanced { seq: seq(3), note: text("drained") },
        EventKind::UndoFailed { seq: seq(3), failure: refused },
        EventKind::StepResolved {
            seq: seq(3),
            resolution: Resolution::Undone,
            reason: text("removed by hand"),
            by: text("ann"),
        },
        EventKind::RunAbandoned {
            keep: Keep::Old,
            from: seq(4),
            reason: Some(text("enough")),
            by: text("ann"),
        },
        EventKind::RunAbandoned { keep: Keep::New, from: seq(4), reason: None, by: text("ann") },
        undo(1, "create-instance", None),
        EventKind::UndoCompleted { seq: seq(1) },
        EventKind::UndoWithdrawn { seq: seq(1) },
        undo(1, "create-instance", None),
        EventKind::UndoCompleted { seq: seq(1) },
        EventKind::RunFinished { state: RunState::RolledBack },
    ]
}
