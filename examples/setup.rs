//! A workflow of somebody else: makes folders, and takes them away again when one of them cannot be made.

use std::{error::Error, fs, io, path::PathBuf};

use deployctl::clock::Clock;
use deployctl::engine::{
    Activity, Cx, Done, Engine, Mutation, Preview, Registry, Run, Started, Stop, Undone, Workflow,
};
use deployctl::journal::{Journal, KeySource};
use deployctl::run::{Failure, Target};
use serde::{Deserialize, Serialize};

/// Makes one folder; its own input, as the journal keeps it.
#[derive(Serialize, Deserialize)]
struct MakeFolder(String);

impl Activity for MakeFolder {
    const NAME: &'static str = "make-folder";
    type World = PathBuf;
    type Output = ();

    async fn execute(&self, cx: &Cx<'_, PathBuf>) -> Result<(), Failure> {
        // Done twice it is as done once: it may be repeated after a crash.
        fs::create_dir_all(cx.world.join(&self.0)).map_err(failed)
    }
}

impl Mutation for MakeFolder {
    fn foresee(&self) {}

    fn preview(&self) -> Preview {
        Preview::of(format!("mkdir {}", self.0))
    }

    async fn compensate(&self, _: Done<&()>, cx: &Cx<'_, PathBuf>) -> Result<Undone, Failure> {
        match fs::remove_dir(cx.world.join(&self.0)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(Undone::whole()),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: io::Error) -> Failure {
    Failure::transient("changing a folder", error.to_string())
}

/// Makes them all, one after the other.
struct Setup;

impl Workflow for Setup {
    const NAME: &'static str = "setup";
    const VERSION: u32 = 1;
    type World = PathBuf;
    type Input = Vec<String>;
    type Output = usize;

    async fn steps(run: &mut Run<'_, PathBuf>, names: &Vec<String>) -> Result<usize, Stop> {
        for name in names {
            run.change(MakeFolder(name.clone())).await?;
        }
        Ok(names.len())
    }
}

fn registry() -> Registry<PathBuf> {
    Registry::new().workflow::<Setup>().mutation::<MakeFolder>()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let world = folder.path().to_owned();
    let journal = Journal::open(&world.join("jobs.db"), KeySource::default(), Clock::system()).await?;
    let registry = registry();
    let engine = Engine::new(&journal, &world, &registry);
    let started = Started::new("my folders", Target::new("folder", &world.display().to_string()));
    let outcome = engine.start::<Setup>(started, &vec!["in".to_owned(), "out".to_owned()]).await?;
    assert_eq!(outcome.output, Some(2.into()), "{:?}", outcome.end);
    Ok(())
}

#[cfg(test)]
mod tests {
    use deployctl::engine::{Arranged, Trials};
    use deployctl::retry::RetryPolicy;
    use deployctl::run::RunId;

    use super::*;

    #[test]
    fn it_runs() {
        main().expect("both folders are made");
    }

    /// Killed at every instant, failing at every step, with everything done twice, and with every answer lost.
    #[tokio::test]
    async fn whatever_happens_all_folders_are_there_or_none() {
        let (folder, names) = (tempfile::tempdir().expect("a folder"), ["in", "out"]);
        let arrange = async || {
            let world = folder.path().join(RunId::random().to_string());
            Arranged { world, input: names.map(ToOwned::to_owned).to_vec() }
        };
        let check = async |world: &PathBuf, is_done: bool| {
            let is_there = names.map(|name| world.join(name).exists());
            assert_eq!(is_there, [is_done; 2], "{}", world.display());
        };
        let (registry, retry) = (registry(), RetryPolicy::default());
        let trials = Trials { folder: folder.path(), registry: &registry, retry };
        trials.everything::<Setup>(arrange, check).await.expect("it converges");
    }
}
