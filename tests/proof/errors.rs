//! An error at each step of a redeploy, one after the other. The runs take minutes, so they are only in the proof.

use std::cell::RefCell;

use deployctl::engine::{Arranged, Trials};
use deployctl::sandbox::Handle;
use deployctl::workflows::{self, Redeploy};
use serde_json::json;

use crate::trials::{Scene, expect_as_before, sandbox, world};

#[tokio::test]
async fn a_redeploy_unwinds_from_an_error_at_every_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = workflows::registry();
    let active = Scene {
        options: json!({"register": "active", "old-instance": "stop"}),
        habits: json!({"drained-backends": "unchecked"}),
    };
    let plain = Scene { options: json!({}), habits: json!({}) };
    for scene in [plain, active] {
        let sandboxes: RefCell<Vec<Handle>> = RefCell::default();
        let trials = Trials::new(folder.path(), &registry);
        let n_steps = trials
            .an_error_at_every_step::<Redeploy>(
                async || {
                    let (sandbox, deployment, policy) = sandbox(folder.path(), &scene).await;
                    let world = world(&sandbox, &policy);
                    sandboxes.borrow_mut().push(sandbox);
                    Arranged { world, input: deployment }
                },
                async |_, seq| {
                    let sandbox = sandboxes.borrow_mut().pop().expect("one was arranged");
                    let what = format!("{} with {} failed at step {seq}", scene.options, scene.habits);
                    expect_as_before(&sandbox, &what);
                    sandbox.stop().await;
                },
            )
            .await
            .expect("every run unwinds");
        assert!(n_steps >= 20, "{n_steps} steps");
    }
}
