//! A workflow of somebody else: makes folders, and takes them away again when one of them cannot be made.

use std::{error::Error, fs, path::PathBuf};

use deployctl::clock::Clock;
use deployctl::engine::{
    Activity, Cx, Done, End, Engine, Mutation, Preview, Registry, Run, Started, Stop, Undone, Workflow,
};
use deployctl::journal::{Journal, KeySource};
use deployctl::run::{Failure, Target};
use serde::{Deserialize, Serialize};

/// Makes one folder. It is its own input, as the journal keeps it.
#[derive(Serialize, Deserialize)]
struct MakeFolder(String);

impl Activity for MakeFolder {
    const NAME: &'static str = "make-folder";
    type World = PathBuf;
    type Output = ();

    // May be repeated after a crash: done twice it is as done once.
    async fn execute(&self, cx: &Cx<'_, PathBuf>) -> Result<(), Failure> {
        let made = fs::create_dir_all(cx.world.join(&self.0));
        made.map_err(|error| Failure::transient("making a folder", error.to_string()))
    }
}

impl Mutation for MakeFolder {
    fn foresee(&self) {}

    fn preview(&self) -> Preview {
        Preview::of(format!("mkdir {}", self.0))
    }

    // Nobody else makes these folders: one that is there is the step's own, whether its end was seen or not.
    async fn compensate(&self, _: Done<&()>, cx: &Cx<'_, PathBuf>) -> Result<Undone, Failure> {
        let folder = cx.world.join(&self.0);
        let gone = if folder.exists() { fs::remove_dir(folder) } else { Ok(()) };
        gone.map_err(|error| Failure::transient("removing a folder", error.to_string()))?;
        Ok(Undone::whole())
    }
}

/// Makes them all, one after the other.
struct Setup;

impl Workflow for Setup {
    const NAME: &'static str = "setup";
    const VERSION: u32 = 1;
    type World = PathBuf;
    type Input = Vec<String>;
    type Output = ();

    async fn steps(run: &mut Run<'_, PathBuf>, names: &Vec<String>) -> Result<(), Stop> {
        for name in names {
            run.change(MakeFolder(name.clone())).await?;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (folder, registry) =
        (tempfile::tempdir()?, Registry::new().workflow::<Setup>().mutation::<MakeFolder>());
    let (path, world) = (folder.path().join("jobs.db"), folder.path().to_owned());
    let journal = Journal::open(&path, KeySource::default(), Clock::system()).await?;
    let engine = Engine::new(&journal, &world, &registry);
    let started = Started::new("my folders", Target::new("folder", "mine"));
    let outcome = engine.start::<Setup>(started, &vec!["in".to_owned(), "out".to_owned()]).await?;
    assert!(matches!(outcome.end, End::Succeeded), "{:?}", outcome.end);
    Ok(())
}

/// Killed at every instant, failing at every step, with everything done twice, and with every answer lost.
#[cfg(test)]
#[tokio::test]
async fn whatever_happens_all_folders_are_there_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = Registry::new().workflow::<Setup>().mutation::<MakeFolder>();
    let arrange = async || deployctl::engine::Arranged {
        world: folder.path().join(deployctl::run::RunId::random().to_string()),
        input: vec!["in".to_owned(), "out".to_owned()],
    };
    let check = async |world: &PathBuf, is_done: bool| {
        assert_eq!(["in", "out"].map(|name| world.join(name).exists()), [is_done; 2]);
    };
    let trials = deployctl::engine::Trials::new(folder.path(), &registry);
    trials.everything::<Setup>(arrange, check).await.expect("it converges");
}

#[cfg(test)]
#[test]
fn it_runs() {
    main().expect("both folders are made");
}
