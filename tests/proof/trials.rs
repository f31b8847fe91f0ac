//! The three trials that the engine offers for any workflow, applied to our own, with every option and in clouds of every
//! habit: an error at each step, everything done twice, and every answer lost.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use deployctl::clock::Clock;
use deployctl::config::{Deployment, Overrides, Policy, Sources, load};
use deployctl::engine::{Arranged, Trials};
use deployctl::env::Env;
use deployctl::oci::identity::Identity;
use deployctl::oci::{Endpoint, Endpoints, Http, InstanceId, Oci, Transport};
use deployctl::sandbox::{Handle, Options, Sandbox};
use deployctl::workflows::{self, Destroy, Destruction, Redeploy};
use serde_json::{Value, json};

use crate::harness::{SHORT_KEY, SHORT_KEY_FINGERPRINT, portion};

/// What is tried: a deployment with these options in a cloud with these habits.
pub(crate) struct Scene {
    pub(crate) options: Value,
    pub(crate) habits: Value,
}

/// Scenes that cover each option and each habit at least once.
fn scenes() -> Vec<Scene> {
    let all = [
        (json!({}), json!({})),
        (json!({"old-instance": "stop"}), json!({"busy": "refused"})),
        (json!({"old-instance": "keep"}), json!({"if-match": "applied"})),
        (json!({"register": "active"}), json!({"drained-backends": "unchecked"})),
        (json!({"register": "active", "old-instance": "stop"}), json!({"no-change": "refused"})),
        (json!({"on-failure": "halt"}), json!({"token-replay": "refused", "deleted-instances": "vanish"})),
        (json!({}), json!({"no-op": "refused", "vnic": "after-active"})),
    ];
    portion(all, 1).into_iter().map(|(options, habits)| Scene { options, habits }).collect()
}

/// A sandbox in this process, and the deployment for it.
pub(crate) async fn sandbox(folder: &Path, scene: &Scene) -> (Handle, Deployment, Policy) {
    let options =
        Options { time_scale: 1000.0, verify: false, habits: scene.habits.clone(), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("it starts");
    let mut written = deployment(&sandbox.state());
    for (name, value) in scene.options.as_object().into_iter().flatten() {
        written[name] = value.clone();
    }
    let file = folder.join("web.json");
    std::fs::write(&file, written.to_string()).expect("written");
    let sources = Sources {
        deployment: Some(&file),
        aliases: &[],
        flags: Overrides::default(),
        profile: "default",
        env: &Env::default(),
        allows_unknown_fields: false,
    };
    let loaded = load(&sources).expect("a deployment");
    (sandbox, loaded.deployment, loaded.policy)
}

/// The world of the workflows over a sandbox.
pub(crate) fn world(sandbox: &Handle, policy: &Policy) -> workflows::World {
    let user = sandbox.identity();
    let key = SHORT_KEY.to_owned().into();
    let identity = Identity::api_key(&user.tenancy, &user.user, SHORT_KEY_FINGERPRINT, &key, None);
    let http = Http::new(Duration::from_secs(10), None, Clock::system()).expect("a client");
    let transport = Transport::new(
        http,
        Endpoints::One(Endpoint::parse(&sandbox.url(), false).expect("a URL")),
        identity.expect("an identity"),
    );
    workflows::World::new(
        Oci::new(transport),
        Policy {
            instance_timeout: Duration::from_secs(20),
            backend_timeout: Duration::from_secs(5),
            work_timeout: Duration::from_mins(1),
            ..policy.clone()
        },
    )
}

fn deployment(state: &Value) -> Value {
    json!({
        "ci-config": {
            "display-name": "webserver", "availability-domain": state["availabilityDomain"],
            "compartment-id": state["compartmentId"], "shape": "CI.Standard.E4.Flex",
            "shape-config": {"ocpus": 1, "memory-in-g-bs": 2}, "vnics": [{"subnet-id": state["subnetId"]}],
            "containers": [{"display-name": "web", "image-url": "docker.io/library/httpd:2"}],
        },
        "ci-filter": {"display-name": "webserver", "lifecycle-state": "ACTIVE"},
        "lb-filter": {"freeform-tags": {"env": "prod"}},
        "backends": [
            {"port": 80, "backend-set": "http"},
            {"port": 70, "backend-set": "fresh", "create": {
                "policy": "ROUND_ROBIN", "health-checker": {"protocol": "HTTP", "url-path": "/", "return-code": 200},
            }},
        ],
        "drain-delay": "20ms", "poll-interval": "10ms", "min-ready": "0s",
    })
}

/// The web servers that are not gone, by version and state.
fn webservers(state: &Value) -> Vec<String> {
    let instances = state["instances"].as_array().expect("instances").iter();
    instances
        .filter(|one| one["displayName"] == "webserver")
        .filter(|one| !matches!(one["lifecycleState"].as_str(), Some("DELETED" | "DELETING")))
        .map(|one| format!("{} {}", one["version"], one["lifecycleState"]).replace('"', ""))
        .collect()
}

/// The backends of a set, each as whether it is drained.
fn backends(state: &Value, set: &str) -> Vec<Value> {
    let set = &state["loadBalancers"][0]["backendSets"][set];
    set["backends"].as_array().into_iter().flatten().map(|backend| backend["drain"].clone()).collect()
}

#[track_caller]
fn expect_no_broken_promise(sandbox: &Handle, what: &str) {
    let audit = sandbox.audit();
    for promise in ["violations", "orphans", "strangersTouched"] {
        assert_eq!(audit[promise], json!([]), "{what}: {promise}");
    }
}

#[track_caller]
fn expect_deployed(sandbox: &Handle, old: &str, what: &str) {
    let state = sandbox.state();
    let mut expected = match old {
        "stop" => vec!["1 INACTIVE", "2 ACTIVE"],
        "keep" => vec!["1 ACTIVE", "2 ACTIVE"],
        _ => vec!["2 ACTIVE"],
    };
    expected.sort_unstable();
    let mut there = webservers(&state);
    there.sort_unstable();
    assert_eq!(there, expected, "{what}");
    assert_eq!(backends(&state, "http"), [false], "{what}");
    assert_eq!(backends(&state, "fresh"), [false], "{what}");
    expect_no_broken_promise(sandbox, what);
}

#[track_caller]
pub(crate) fn expect_as_before(sandbox: &Handle, what: &str) {
    let state = sandbox.state();
    assert_eq!(webservers(&state), ["1 ACTIVE"], "{what}");
    assert_eq!(backends(&state, "http"), [false], "{what}");
    assert!(state["loadBalancers"][0]["backendSets"]["fresh"].is_null(), "{what}");
    expect_no_broken_promise(sandbox, what);
}

/// The trials of a scene.
#[derive(Clone, Copy, Debug)]
enum Way {
    Twice,
    AnswerLost,
}

async fn try_redeploys(way: Way) {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = workflows::registry();
    for scene in scenes() {
        let what = format!("{way:?}, {} with {}", scene.options, scene.habits);
        let (sandbox, deployment, policy) = sandbox(folder.path(), &scene).await;
        let old = scene.options["old-instance"].as_str().unwrap_or("delete");
        let trials = Trials::new(folder.path(), &registry);
        let world = world(&sandbox, &policy);
        let arranged = Arranged { world, input: deployment };
        let check = async |_: &workflows::World, has_succeeded: bool| {
            if has_succeeded {
                expect_deployed(&sandbox, old, &what);
            } else {
                expect_as_before(&sandbox, &what);
            }
        };
        let tried = match way {
            Way::Twice => trials.everything_twice::<Redeploy>(&arranged, check).await,
            Way::AnswerLost => trials.every_answer_lost::<Redeploy>(&arranged, check).await,
        };
        tried.unwrap_or_else(|error| panic!("{what}: {error}"));
        sandbox.stop().await;
    }
}

async fn try_destroys(way: Way) {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = workflows::registry();
    for scene in scenes() {
        let what = format!("{way:?}, destroy with {}", scene.habits);
        let (sandbox, deployment, policy) = sandbox(folder.path(), &scene).await;
        let trials = Trials::new(folder.path(), &registry);
        let arranged =
            Arranged { world: world(&sandbox, &policy), input: destruction(&sandbox, &deployment) };
        let check = async |_: &workflows::World, has_succeeded: bool| {
            if has_succeeded {
                let state = sandbox.state();
                assert_eq!(webservers(&state), Vec::<String>::new(), "{what}");
                assert_eq!(backends(&state, "http"), Vec::<Value>::new(), "{what}");
            } else {
                expect_restored(&sandbox, &what);
            }
        };
        let tried = match way {
            Way::Twice => trials.everything_twice::<Destroy>(&arranged, check).await,
            Way::AnswerLost => trials.every_answer_lost::<Destroy>(&arranged, check).await,
        };
        tried.unwrap_or_else(|error| panic!("{what}: {error}"));
        sandbox.stop().await;
    }
}

/// The state before a destroy, which takes the last backend of a set on purpose.
#[track_caller]
fn expect_restored(sandbox: &Handle, what: &str) {
    let state = sandbox.state();
    assert_eq!(webservers(&state), ["1 ACTIVE"], "{what}");
    assert_eq!(backends(&state, "http"), [false], "{what}");
    assert_eq!(sandbox.audit()["strangersTouched"], json!([]), "{what}");
}

fn destruction(sandbox: &Handle, deployment: &Deployment) -> Destruction {
    let id = sandbox.state()["seed"]["webserverId"].as_str().expect("an id").to_owned();
    Destruction {
        id: InstanceId::from(id),
        lb_compartment: None,
        compartment_id: deployment.compartment_id.clone(),
        lb_filter: deployment.lb_filter.clone(),
        lb_compartments: Some(Vec::new()),
    }
}

#[tokio::test]
async fn a_redeploy_in_which_everything_is_done_twice_is_as_one_done_once() {
    try_redeploys(Way::Twice).await;
}

#[tokio::test]
async fn a_redeploy_of_which_every_answer_is_lost_is_as_one_that_heard_them() {
    try_redeploys(Way::AnswerLost).await;
}

#[tokio::test]
async fn a_destroy_in_which_everything_is_done_twice_is_as_one_done_once() {
    try_destroys(Way::Twice).await;
}

#[tokio::test]
async fn a_destroy_of_which_every_answer_is_lost_is_as_one_that_heard_them() {
    try_destroys(Way::AnswerLost).await;
}

#[tokio::test]
async fn a_destroy_unwinds_from_an_error_at_every_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = workflows::registry();
    let scene = Scene { options: json!({}), habits: json!({}) };
    let sandboxes: RefCell<Vec<Handle>> = RefCell::default();
    let trials = Trials::new(folder.path(), &registry);
    let n_steps = trials
        .an_error_at_every_step::<Destroy>(
            async || {
                let (sandbox, deployment, policy) = sandbox(folder.path(), &scene).await;
                let world = world(&sandbox, &policy);
                let input = destruction(&sandbox, &deployment);
                sandboxes.borrow_mut().push(sandbox);
                Arranged { world, input }
            },
            async |_, seq| {
                let sandbox = sandboxes.borrow_mut().pop().expect("one was arranged");
                expect_restored(&sandbox, &format!("failed at step {seq}"));
                sandbox.stop().await;
            },
        )
        .await
        .expect("every run unwinds");
    assert!(n_steps >= 8, "{n_steps} steps");
}
