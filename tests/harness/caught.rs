//! Commands that are killed or watched in the middle.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Machine, Ran, World};

impl World {
    /// Starts the command and leaves it running.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
    }

    /// Starts the command, and kills it with SIGKILL once `step` of the newest run has `status`.
    #[track_caller]
    pub(crate) fn kill_at(&self, args: &[&str], step: &str, status: &str) {
        let mut child = self.begin(args);
        self.wait_until(&format!("{step} is {status}"), || {
            let ended = child.try_wait().expect("a child of ours").is_some();
            let steps = self.steps();
            let is_there = steps.iter().any(|(name, found)| name == step && found == status);
            assert!(!ended || is_there, "the run ended before {step} was {status}: {steps:?}");
            is_there
        });
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    /// Kills a command at a crash point.
    #[track_caller]
    pub(crate) fn killed_at(&self, args: &[&str], point: &str) {
        let ran = self.run_with(args, &format!("{point}=return"));
        assert_eq!(ran.code, -1, "not killed at {point}: {}", ran.stderr);
    }

    /// Starts a deployment whose create gets no answer as long as the test lasts.
    pub(crate) fn begin_a_create_that_hangs(&self) -> Child {
        let mut deployment = self.deployment();
        deployment["request-timeout"] = json!("10m");
        let file = self.write_deployment(&deployment);
        let slow =
            json!({"method": "POST", "path": "/containerInstances", "effect": "slow", "delay_ms": 600_000});
        self.fault(&slow);
        let child = self.begin(&["start", file]);
        self.wait_until("the create is sent", || {
            self.steps().iter().any(|(name, status)| name == "create-instance" && status == "begun")
        });
        child
    }
}

/// Waits until a command has stopped itself at a crash point.
pub(crate) fn paused_at(world: &World, child: &Child) {
    world.wait_until("it is paused", || is_paused(child));
}

pub(crate) fn is_paused(child: &Child) -> bool {
    let told = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it is there");
    told.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
}

/// Lets a command that is paused go on to its end, which must be this exit. Returns what it has said.
#[track_caller]
pub(crate) fn continued(paused: Child, code: i32) -> String {
    let ended = ended(paused);
    assert_eq!(ended.code, code, "{}", ended.stderr);
    ended.stderr
}

/// Lets a command that is paused go on.
pub(crate) fn go_on(paused: &Child) {
    signal(paused, "-CONT");
}

/// Stops a command, wherever it is.
pub(crate) fn stop(running: &Child) {
    signal(running, "-STOP");
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Lets a command that is paused go on to its end.
pub(crate) fn ended(paused: Child) -> Ran {
    go_on(&paused);
    Ran::of(&paused.wait_with_output().expect("ends"))
}

impl World {
    /// Loses the journal, with its key and its locks.
    pub(crate) fn lose_the_disk(&self) {
        let journal = self.path(".local/state/deployctl");
        if journal.exists() {
            fs::remove_dir_all(journal).expect("removed");
        }
    }

    /// Another machine that has the deployment.
    pub(crate) fn another_machine(&self) -> Machine<'_> {
        let machine = self.machine("another");
        let deployment = fs::read_to_string(self.path("deployment.json")).expect("it was written");
        machine.write_deployment(&serde_json::from_str(&deployment).expect("JSON"));
        machine
    }

    /// Waits until the cloud does nothing any more.
    pub(crate) fn wait_until_idle(&self) {
        self.wait_until("nothing is under way", || {
            let state = self.state();
            let is_moving = |one: &Value| {
                matches!(one["lifecycleState"].as_str(), Some("CREATING" | "UPDATING" | "DELETING"))
            };
            state["loadBalancers"][0]["openWorkRequests"] == 0
                && !state["instances"].as_array().expect("instances").iter().any(is_moving)
        });
    }
}
