//! Carries out the work on an instance after a call was accepted: the instance becomes active, fails, stops, or is deleted.

use std::sync::Arc;

use super::data;
use super::pace::{CREATE, DELETE, FAIL, TURN};
use super::shared::Shared;
use super::state::State;

/// The work on an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Create,
    Start,
    Stop,
    Restart,
    Delete,
}

impl Turn {
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Create => "CREATE_CONTAINER_INSTANCE",
            Self::Start => "START_CONTAINER_INSTANCE",
            Self::Stop => "STOP_CONTAINER_INSTANCE",
            Self::Restart => "RESTART_CONTAINER_INSTANCE",
            Self::Delete => "DELETE_CONTAINER_INSTANCE",
        }
    }

    pub(super) fn of(operation: &str) -> Option<Self> {
        [Self::Create, Self::Start, Self::Stop, Self::Restart, Self::Delete]
            .into_iter()
            .find(|turn| turn.operation() == operation)
    }
}

/// Records that an instance in service was deleted: that delete dropped requests.
pub(super) fn note_a_delete_in_service(state: &mut State, id: &str) {
    let Some(address) = state.instances.get(id).map(|instance| instance.address.clone()) else { return };
    let mut backends =
        state.balancers.values().flat_map(|balancer| balancer.sets.values()).flat_map(|set| &set.backends);
    if let Some(backend) = backends.find(|backend| backend.ip == address) {
        let violation = format!("instance {id} was deleted while it was the backend {}", backend.name());
        state.violations.push(violation);
    }
}

/// Carries out the work of a call, which takes its time.
pub(super) fn begin(shared: &Arc<Shared>, id: &str, work: &str, turn: Turn, fails_with: Option<String>) {
    let task = Arc::clone(shared);
    let (id, work) = (id.to_owned(), work.to_owned());
    let now = shared.now();
    shared.change(|state| {
        set(state, &work, "IN_PROGRESS");
        if let Some(instance) = state.instances.get_mut(&id) {
            let meanwhile = match turn {
                Turn::Create => "CREATING",
                Turn::Delete => "DELETING",
                Turn::Start | Turn::Stop | Turn::Restart => "UPDATING",
            };
            meanwhile.clone_into(&mut instance.lifecycle);
            instance.touch(now);
            if turn != Turn::Create && turn != Turn::Start {
                instance.is_up = false;
            }
        }
    });
    if turn != Turn::Create && turn != Turn::Start {
        data::close(shared, &id);
    }
    shared.spawn(async move {
        match turn {
            Turn::Create => create(&task, &id, &work, fails_with).await,
            Turn::Start | Turn::Restart => {
                task.pass(TURN).await;
                end(&task, &id, &work, "ACTIVE");
                boot(&task, &id).await;
            }
            Turn::Stop => {
                task.pass(TURN).await;
                end(&task, &id, &work, "INACTIVE");
            }
            Turn::Delete => {
                task.pass(DELETE).await;
                end(&task, &id, &work, "DELETED");
            }
        }
    });
}

async fn create(shared: &Arc<Shared>, id: &str, work: &str, fails_with: Option<String>) {
    let denied = {
        let state = shared.state();
        let containers = state.instances.get(id).map(|instance| &instance.containers).into_iter().flatten();
        let mut denied = containers.filter(|container| container.knob("SANDBOX_PULL") == Some("denied"));
        denied.next().map(|container| {
            let image = container.specification["imageUrl"].as_str().unwrap_or_default();
            format!("A container image provided is not accessible or does not exist: {image}")
        })
    };
    if let Some(message) = fails_with.or(denied) {
        shared.pass(FAIL).await;
        let now = shared.now();
        shared.change(|state| {
            // The instance may have been deleted meanwhile.
            let is_creating =
                state.instances.get(id).is_some_and(|instance| instance.lifecycle == "CREATING");
            if let Some(work) = state.work.get_mut(work) {
                "FAILED".clone_into(&mut work.status);
                work.finished = Some(now);
                work.errors.push(("InternalError".to_owned(), message.clone()));
            }
            if let Some(instance) = state.instances.get_mut(id).filter(|_| is_creating) {
                "FAILED".clone_into(&mut instance.lifecycle);
                instance.details = Some(message);
                instance.touch(now);
            }
        });
        return;
    }
    shared.pass(CREATE).await;
    if shared.state().instances.get(id).is_none_or(|instance| instance.lifecycle != "CREATING") {
        return;
    }
    end(shared, id, work, "ACTIVE");
    boot(shared, id).await;
}

/// Starts the application of an active instance, or lets it crash.
async fn boot(shared: &Arc<Shared>, id: &str) {
    let (delay, crashes) = {
        let state = shared.state();
        let Some(instance) = state.instances.get(id) else { return };
        let knob = |name: &str| instance.containers.iter().find_map(|container| container.knob(name));
        let delay = knob("SANDBOX_BOOT_MS").and_then(|delay| delay.parse().ok()).unwrap_or(0);
        (delay, knob("SANDBOX_CRASH").is_some())
    };
    shared.sleep(std::time::Duration::from_millis(delay)).await;
    let now = shared.now();
    shared.change(|state| {
        let Some(instance) = state.instances.get_mut(id).filter(|instance| instance.lifecycle == "ACTIVE")
        else {
            return;
        };
        if crashes {
            instance.exit(1, now);
            for container in &mut instance.containers {
                "Error: missing required environment variable\n".clone_into(&mut container.log);
                // Many programs dump their whole environment when they give up.
                if container.knob("SANDBOX_CRASH") == Some("dump") {
                    let all = container.specification["environmentVariables"].to_string();
                    container.log.extend(["environment: ", &all, "\n"]);
                }
            }
        } else {
            instance.is_up = true;
        }
    });
}

fn end(shared: &Shared, id: &str, work: &str, lifecycle: &str) {
    let now = shared.now();
    shared.change(|state| {
        if let Some(instance) = state.instances.get_mut(id) {
            lifecycle.clone_into(&mut instance.lifecycle);
            instance.touch(now);
            if lifecycle == "ACTIVE" {
                for container in instance.containers.iter_mut().filter(|container| container.has_ended) {
                    (container.has_ended, container.exit_code) = (false, None);
                }
                instance.active_since.get_or_insert(now);
            }
            if lifecycle == "DELETED" {
                instance.gone_since = Some(now);
            }
        }
        if let Some(work) = state.work.get_mut(work) {
            "SUCCEEDED".clone_into(&mut work.status);
            work.finished = Some(now);
        }
    });
}

fn set(state: &mut State, work: &str, status: &str) {
    if let Some(work) = state.work.get_mut(work) {
        status.clone_into(&mut work.status);
    }
}
