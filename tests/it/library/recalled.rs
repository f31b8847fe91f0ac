//! What a run has done whose journal is lost is inferred from the world, and recorded in another journal under the same id.

use std::time::Duration;

use deployctl::engine::{Engine, Foresight, Run, Stop, Workflow};
use deployctl::journal::Recollection;
use deployctl::run::{RunId, RunState};

use super::{Fill, Put, Shelf, journal, registry, started};

/// Puts two things on the shelf, and sleeps in between.
struct Slowly;

impl Workflow for Slowly {
    const NAME: &'static str = "slowly";
    type World = Shelf;
    type Input = ();
    type Output = ();

    async fn steps(run: &mut Run<'_, Shelf>, (): &()) -> Result<(), Stop> {
        run.change(Put { name: "first".to_owned() }).await?;
        run.sleep("sleep", Duration::from_millis(1)).await?;
        run.change(Put { name: "second".to_owned() }).await?;
        Ok(())
    }
}

fn shelf<'t>(things: impl IntoIterator<Item = &'t str>) -> Shelf {
    let shelf = Shelf::default();
    shelf.things.lock().expect("no panic holds it").extend(things.into_iter().map(ToOwned::to_owned));
    shelf
}

/// The steps of a recollection, each with whether it is known to be done.
fn steps(recollection: &Recollection) -> Vec<(String, bool)> {
    let steps = recollection.steps.iter();
    let name = |step: &deployctl::journal::NewStep| match &step.subject {
        Some(subject) => format!("{} {subject}", step.activity),
        None => step.activity.clone(),
    };
    steps.map(|recalled| (name(&recalled.step), recalled.done.is_some())).collect()
}

async fn recall<F: Workflow<World = Shelf>>(shelf: &Shelf, input: &F::Input) -> Recollection {
    Foresight::new(shelf).recall::<F>(RunId::random(), input).await.expect("nothing stops it")
}

#[tokio::test]
async fn a_recalled_run_goes_on_under_its_own_id() {
    for goes_back in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = journal(folder.path()).await;
        let (shelf, registry) = (shelf(["a", "bb"]), registry());
        let names = ["a", "bb", "ccc"].map(ToOwned::to_owned).to_vec();
        let recollection = Recollection { goes_back, ..recall::<Fill>(&shelf, &names).await };
        let expected = [("put a", true), ("put bb", true), ("put ccc", false)];
        assert_eq!(steps(&recollection), expected.map(|(step, is_done)| (step.to_owned(), is_done)));
        let run = recollection.run;
        let engine = Engine::new(&journal, &shelf, &registry);
        engine.recover::<Fill>(recollection, started("a"), &names).await.expect("free");
        let record = journal.run(run).await.expect("it is recorded");
        assert_eq!(record.state, RunState::Suspended);
        assert_eq!(record.error.is_some(), !goes_back, "why it is suspended");
        let outcome = engine.resume(run).await.expect("it is let go");
        let left: &[&str] = if goes_back { &[] } else { &["a", "bb", "ccc"] };
        assert_eq!(shelf.things(), left, "{outcome:?}");
        assert_eq!(outcome.output, (!goes_back).then(|| 6.into()));
        let record = journal.run(run).await.expect("it is recorded");
        assert_eq!(record.state, if goes_back { RunState::RolledBack } else { RunState::Succeeded });
    }
}

#[tokio::test]
async fn a_wait_counts_once_a_later_change_was_made() {
    let done = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), true)).collect::<Vec<_>>();
    let half = recall::<Slowly>(&shelf(["first"]), &()).await;
    assert_eq!(steps(&half), done(&["put first"]));
    let left = half.left.expect("something is left");
    assert_eq!(left.message, "put second was not carried out");
    let whole = recall::<Slowly>(&shelf(["first", "second"]), &()).await;
    assert_eq!(steps(&whole), done(&["put first", "sleep", "put second"]));
    assert_eq!(whole.left, None);
}

#[tokio::test]
async fn of_a_run_that_did_nothing_nothing_is_recalled() {
    let recollection = recall::<Fill>(&shelf([]), &vec!["a".to_owned()]).await;
    assert_eq!(steps(&recollection), []);
}

#[tokio::test]
async fn a_run_is_recorded_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let (shelf, registry) = (shelf(["a"]), registry());
    let names = ["a", "bb"].map(ToOwned::to_owned).to_vec();
    let recollection = recall::<Fill>(&shelf, &names).await;
    let engine = Engine::new(&journal, &shelf, &registry);
    engine.recover::<Fill>(recollection.clone(), started("a"), &names).await.expect("free");
    let before = journal.events_after(recollection.run, 0).await.expect("events").len();
    let again = engine.recover::<Fill>(recollection.clone(), started("b"), &names).await;
    assert!(again.is_err());
    assert_eq!(journal.events_after(recollection.run, 0).await.expect("events").len(), before);
}
