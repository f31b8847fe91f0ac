//! A workflow of somebody else: makes folders, and takes them away again when one of them cannot be made.

use std::{error::Error, fs, path::PathBuf};

use deployctl::engine::prelude::*;

/// Makes one folder. It is its own input, as the journal keeps it.
#[derive(serde::Serialize, serde::Deserialize)]
struct MakeFolder(String);

impl Activity for MakeFolder {
    const NAME: &'static str = "make-folder";
    type World = PathBuf;
    type Output = ();

    // May be repeated after a crash: done twice it is as done once.
    async fn execute(&self, cx: &Cx<'_, PathBuf>) -> Result<(), Failure> {
        Ok(fs::create_dir_all(cx.world.join(&self.0))?)
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
        if folder.exists() {
            fs::remove_dir(folder)?;
        }
        Ok(Undone::whole())
    }
}

/// Makes them all, one after the other.
struct Setup;

impl Workflow for Setup {
    const NAME: &'static str = "setup";
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

fn registry() -> Registry<PathBuf> {
    Registry::new().workflow::<Setup>().mutation::<MakeFolder>()
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (journal, world) = (Journal::at(folder.path().join("jobs.db")).await?, folder.path().to_owned());
    let (registry, started) = (registry(), Started::new("folders", Target::new("folder", "mine")));
    let (engine, names) = (Engine::new(&journal, &world, &registry), vec!["in".to_owned()]);
    let outcome = engine.start::<Setup>(started, &names).await?;
    assert!(matches!(outcome.end, End::Succeeded), "{:?}", outcome.end);
    Ok(())
}

/// Killed at every instant, failing at every step, with everything done twice, and with every answer lost.
#[cfg(test)]
#[tokio::test]
async fn whatever_happens_the_folder_is_there_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = || folder.path().join(RunId::random().to_string());
    let arrange = async || Arranged { world: world(), input: vec!["in".to_owned()] };
    let check = async |world: &PathBuf, is_done| assert_eq!(world.join("in").exists(), is_done);
    Trials::new(folder.path(), &registry()).everything::<Setup>(arrange, check).await.expect("it converges");
}
