//! The name of a step in the outside world does not depend on its number.

use std::sync::Mutex;

use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Preview, Registry, Run, Stop, Undone, Workflow,
};
use deployctl::run::Failure;
use serde::{Deserialize, Serialize};

use super::{journal, started};

/// Writes down the names of its execution and its undo.
#[derive(Serialize, Deserialize)]
struct Sign {
    subject: Option<String>,
}

impl Activity for Sign {
    const NAME: &'static str = "sign";
    type World = Mutex<Vec<String>>;
    type Output = ();

    fn subject(&self) -> Option<String> {
        self.subject.clone()
    }

    async fn execute(&self, cx: &Cx<'_, Mutex<Vec<String>>>) -> Result<(), Failure> {
        cx.world.lock().expect("no panic holds it").push(format!("{} {}", cx.id(), cx.token(0)));
        Ok(())
    }
}

impl Mutation for Sign {
    fn foresee(&self) {}

    fn preview(&self) -> Preview {
        Preview::of("sign")
    }

    async fn compensate(&self, _: Done<&()>, cx: &Cx<'_, Mutex<Vec<String>>>) -> Result<Undone, Failure> {
        let called = format!("{} {}", cx.id(), cx.token(0));
        cx.world.lock().expect("no panic holds it").retain(|name| *name != called);
        Ok(Undone::whole())
    }
}

/// Signs for each of these names.
struct Signing;

impl Workflow for Signing {
    const NAME: &'static str = "signing";
    type World = Mutex<Vec<String>>;
    type Input = Vec<Option<String>>;
    type Output = ();

    async fn steps(run: &mut Run<'_, Mutex<Vec<String>>>, subjects: &Self::Input) -> Result<(), Stop> {
        for subject in subjects {
            run.change(Sign { subject: subject.clone() }).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_step_is_called_by_what_it_does_and_undone_under_the_same_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = journal(folder.path()).await;
    let registry = Registry::new().workflow::<Signing>().mutation::<Sign>();
    let world = Mutex::new(Vec::new());
    let engine = Engine::new(&journal, &world, &registry);
    let subjects = [None, Some("a"), None, Some("b"), Some("a")].map(|one| one.map(ToOwned::to_owned));
    let outcome = engine.start::<Signing>(started("a"), &subjects.to_vec()).await.expect("free");
    assert!(matches!(outcome.end, End::Succeeded), "{outcome:?}");
    let signed = world.lock().expect("no panic holds it").clone();
    let names: Vec<&str> = signed.iter().filter_map(|name| name.split(' ').next()).collect();
    assert_eq!(names, ["sign", "sign/a", "sign#2", "sign/b", "sign/a#2"]);
    let outcome = engine.rollback(outcome.run).await.expect("nobody holds it");
    assert!(matches!(outcome.end, End::RolledBack(None)), "{outcome:?}");
    assert!(world.lock().expect("no panic holds it").is_empty(), "each has the token that it had");
}
