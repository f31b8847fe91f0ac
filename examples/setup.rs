//! A workflow of somebody else. It creates folders, and removes them again if one of them cannot be created.

use std::{error::Error, fs, path::PathBuf};

use deployctl::engine::prelude::*;

/// Creates one folder. The activity is its own input, which the journal keeps.
#[derive(serde::Serialize, serde::Deserialize)]
struct MakeFolder(String);

impl Activity for MakeFolder {
    const NAME: &'static str = "make-folder";
    type World = PathBuf;
    type Output = ();

    // This may be repeated after a crash. Doing it twice has the same effect as doing it once.
    async fn execute(&self, cx: &Cx<'_, PathBuf>) -> Result<(), Failure> {
        Ok(fs::create_dir_all(cx.world.join(&self.0))?)
    }
}

impl Mutation for MakeFolder {
    fn foresee(&self) {}

    fn preview(&self) -> Preview {
        Preview::of(format!("mkdir {}", self.0))
    }

    // Nobody else creates these folders. A folder that exists is the step's own, whether its end was seen or not.
    async fn compensate(&self, _: Done<&()>, cx: &Cx<'_, PathBuf>) -> Result<Undone, Failure> {
        let folder = cx.world.join(&self.0);
        if folder.exists() {
            fs::remove_dir(folder)?;
        }
        Ok(Undone::whole())
    }
}

/// Creates all folders, one after the other.
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

/// Kills it at every instant, fails it at every step, does everything twice, and loses every answer.
#[cfg(test)]
#[tokio::test]
async fn whatever_happens_the_folder_is_there_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = || folder.path().join(RunId::random().to_string());
    let arrange = async || Arranged { world: world(), input: vec!["in".to_owned()] };
    let check = async |world: &PathBuf, is_done| assert_eq!(world.join("in").exists(), is_done);
    Trials::new(folder.path(), &registry()).everything::<Setup>(arrange, check).await.expect("it converges");
}
