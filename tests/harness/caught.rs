//! Commands that are killed or watched in the middle.

use std::process::{Child, Stdio};

use serde_json::json;

use super::World;

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
