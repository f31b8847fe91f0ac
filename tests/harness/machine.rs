//! Other machines: homes with journals of their own, which share the cloud of a world.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Ran, World};

/// A machine with a disk of its own.
pub(crate) struct Machine<'w> {
    world: &'w World,
    home: PathBuf,
}

impl World {
    /// Another machine, which signs in as this one does.
    pub(crate) fn machine(&self, name: &str) -> Machine<'_> {
        let home = self.path(&format!("machines/{name}"));
        fs::create_dir_all(home.join(".oci")).expect("folders");
        let files = fs::read_dir(self.path(".oci")).expect("it is signed in").flatten();
        for file in files.filter(|file| file.path().is_file()) {
            self.keep(&file.path(), &format!("machines/{name}/.oci/{}", file.file_name().to_string_lossy()));
        }
        Machine { world: self, home }
    }
}

impl Machine<'_> {
    /// Writes a deployment, and returns the name of its file.
    pub(crate) fn write_deployment(&self, deployment: &Value) -> &'static str {
        fs::write(self.home.join("deployment.json"), deployment.to_string()).expect("written");
        "deployment.json"
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("HOME", &self.home).current_dir(&self.home);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().expect("the program starts"))
    }

    /// Runs a command that is killed at a crash point.
    #[track_caller]
    pub(crate) fn killed_at(&self, args: &[&str], point: &str) {
        let ran = self.command(args).env("FAILPOINTS", format!("{point}=return")).output();
        Ran::of(&ran.expect("the program starts")).expect(-1);
    }

    /// Starts a command without waiting for its end.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// The id of the newest run in this machine's journal.
    pub(crate) fn latest(&self) -> String {
        let shown = self.run(&["history", "--output", "json"]).expect(0).json();
        shown["runs"][0]["run_id"].as_str().expect("an id").to_owned()
    }
}
