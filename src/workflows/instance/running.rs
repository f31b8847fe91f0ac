//! Waits until an instance and its containers run, and says why they do not.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::mark;
use super::standing::state;
use crate::engine::{Cx, Looks};
use crate::oci::container_instances::{Container, ContainerInstance, InstanceState};
use crate::oci::{InstanceId, WorkRequestId};
use crate::run::Failure;
use crate::workflows::{World, failure};

/// How many lines of a container's log an error shows.
const LOG_LINES: usize = 10;

/// A running instance, with what the load balancer must know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::workflows) struct Running {
    pub(in crate::workflows) id: InstanceId,
    pub(in crate::workflows) addresses: Vec<String>,
}

/// How long an instance usually takes until its containers run (docs/oci.md 2.6).
const USUAL: Duration = Duration::from_secs(50);

/// Waits until an instance and all of its containers run, and returns their addresses.
///
/// # Errors
/// Permanent when it failed, was deleted, a container exits or restarts, or the time is over.
pub(in crate::workflows) async fn until_running(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    work: Option<&WorkRequestId>,
) -> Result<Running, Failure> {
    until(cx, id, work, Wanted::Running).await
}

/// Waits until the addresses of an instance are known, whether or not it runs by then.
///
/// # Errors
/// As [`until_running`].
pub(in crate::workflows) async fn until_located(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    work: Option<&WorkRequestId>,
) -> Result<Vec<String>, Failure> {
    Ok(until(cx, id, work, Wanted::Located).await?.addresses)
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Located,
    Running,
}

async fn until(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    work: Option<&WorkRequestId>,
    wanted: Wanted,
) -> Result<Running, Failure> {
    let deadline = Instant::now() + cx.world.policy.instance_timeout;
    let ago = cx.world.watched.waited_for(id);
    for wait in Looks::around(USUAL, cx.world.policy.poll_interval).begun(ago) {
        let state = match look(cx, id, work, wanted).await? {
            Look::Running(running) => return Ok(running),
            Look::NotYet(state) => state,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::permanent(
                "waiting for the container instance",
                format!(
                    "{id} is not running within {}: {state}",
                    humantime::format_duration(cx.world.policy.instance_timeout)
                ),
            ));
        }
        cx.progress(&state);
        cx.pause(wait.min(left)).await?;
    }
    unreachable!("looks never end")
}

enum Look {
    /// It runs, or its addresses are known and nothing else is waited for.
    Running(Running),
    NotYet(String),
}

async fn look(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    work: Option<&WorkRequestId>,
    wanted: Wanted,
) -> Result<Look, Failure> {
    const DOING: &str = "waiting for the container instance";
    let api = cx.world.oci.container_instances();
    let instance = match failure::look(cx, DOING, || api.get(id)).await? {
        Ok(answer) => answer.value,
        // Right after its creation it may not be visible yet (docs/oci.md 2.7).
        Err(error) if error.is_not_found() => return Ok(Look::NotYet("not visible yet".to_owned())),
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    let not_ready = not_ready(cx, &instance, work).await?;
    let is_coming = matches!(instance.lifecycle_state, InstanceState::Creating | InstanceState::Updating);
    if let Some(state) = not_ready {
        // Nobody says whether the address is known before the instance is ACTIVE (docs/oci.md A.1).
        let addresses =
            if wanted == Wanted::Located && is_coming { reached(cx, &instance).await?.private } else { None };
        return Ok(match addresses {
            Some(addresses) => Look::Running(Running { id: id.clone(), addresses }),
            None => Look::NotYet(state),
        });
    }
    match reached(cx, &instance).await? {
        Reached { private: Some(addresses), .. } => Ok(Look::Running(Running { id: id.clone(), addresses })),
        Reached { private: None, ipv6, .. } if ipv6.is_empty() => {
            Ok(Look::NotYet("waiting for its address".to_owned()))
        }
        Reached { private: None, ipv6, .. } => Err(Failure::permanent(DOING, only_ipv6(id, &ipv6))),
    }
}

/// Why an instance or one of its containers is not ready; `None` if all are.
///
/// # Errors
/// Permanent when it never will be: it failed, was deleted, or a container has exited or was restarted.
async fn not_ready(
    cx: &Cx<'_, World>,
    instance: &ContainerInstance,
    work: Option<&WorkRequestId>,
) -> Result<Option<String>, Failure> {
    const DOING: &str = "waiting for the container instance";
    let id = &instance.id;
    mark::check_if_new(cx, instance)?;
    match instance.lifecycle_state {
        InstanceState::Active => {}
        InstanceState::Creating | InstanceState::Updating | InstanceState::Unknown => {
            return Ok(Some(instance.lifecycle_state.to_string()));
        }
        InstanceState::Failed => {
            let why = why_failed(cx, instance, work).await;
            return Err(Failure::permanent(DOING, format!("{id} has FAILED: {why}")));
        }
        InstanceState::Inactive => {
            let why = why_failed(cx, instance, work).await;
            return Err(Failure::permanent(
                DOING,
                format!("{id} is INACTIVE, its containers have ended: {why}"),
            ));
        }
        InstanceState::Deleting | InstanceState::Deleted => return Err(deleted(id)),
    }
    for container in &instance.containers {
        if let Some(state) = container_not_ready(cx, &container.container_id).await? {
            return Ok(Some(state));
        }
    }
    cx.world.watched.runs(instance);
    Ok(None)
}

fn deleted(id: &InstanceId) -> Failure {
    Failure::permanent("looking at the container instance", format!("{id} was deleted by somebody else"))
}

/// Why an instance that ran is not ready now; `None` if it is.
///
/// # Errors
/// Permanent when it has died: it failed, stopped, was deleted, or a container has exited or was restarted.
pub(in crate::workflows) async fn still_runs(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
) -> Result<Option<String>, Failure> {
    const DOING: &str = "looking at the container instance";
    let api = cx.world.oci.container_instances();
    if all_run(cx, &cx.world.watched.containers(id)).await? {
        cx.world.watched.runs_still(id);
        return Ok(None);
    }
    let instance = match failure::look(cx, DOING, || api.get(id)).await? {
        Ok(answer) => answer.value,
        Err(error) if error.is_not_found() => {
            // The 404 may also mean that we may not see it (docs/oci.md 2.7). The list tells the two apart.
            return match state(cx, compartment, id).await? {
                None | Some(InstanceState::Deleting | InstanceState::Deleted) => Err(deleted(id)),
                Some(state) => Ok(Some(state.to_string())),
            };
        }
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    not_ready(cx, &instance, None).await
}

/// Whether all of these containers run as they did from the start. Their own answers are enough then; otherwise the instance is
/// asked, which can say more.
async fn all_run(cx: &Cx<'_, World>, containers: &[String]) -> Result<bool, Failure> {
    let api = cx.world.oci.container_instances();
    for id in containers {
        match failure::look(cx, LOOKING, || api.container(id)).await? {
            Ok(answer) if !has_ended(&answer.value) && is_active(&answer.value) => {}
            Ok(_) | Err(_) => return Ok(false),
        }
    }
    Ok(!containers.is_empty())
}

const LOOKING: &str = "looking at the containers";

/// Whether a container has exited at least once.
const fn has_ended(container: &Container) -> bool {
    container.container_restart_attempt_count > 0 || container.exit_code.is_some()
}

fn is_active(container: &Container) -> bool {
    container.lifecycle_state == InstanceState::Active
}

/// Why a container is not ready; `None` if it is. ACTIVE is not enough: a container in a crash loop is ACTIVE as well
/// (docs/oci.md 2.1).
async fn container_not_ready(cx: &Cx<'_, World>, id: &str) -> Result<Option<String>, Failure> {
    let api = cx.world.oci.container_instances();
    let container = match failure::look(cx, LOOKING, || api.container(id)).await? {
        Ok(answer) => answer.value,
        Err(error) if error.is_not_found() => return Ok(Some("containers not visible yet".to_owned())),
        Err(error) => return Err(failure::of(LOOKING, &error)),
    };
    let name = cx.world.oci.heard(&container.display_name);
    if has_ended(&container) {
        let code = container.exit_code.map_or_else(String::new, |code| format!(" with code {code}"));
        let log = last_lines(cx, id).await;
        return Err(Failure::permanent(
            LOOKING,
            format!(
                "container `{name}` exited{code} and was restarted {} times{log}",
                container.container_restart_attempt_count
            ),
        ));
    }
    Ok((!is_active(&container)).then(|| format!("container `{name}` is {}", container.lifecycle_state)))
}

/// The end of a container's log for an error message; empty if there is none.
async fn last_lines(cx: &Cx<'_, World>, container: &str) -> String {
    let mut log = String::new();
    for previous in [true, false] {
        let api = cx.world.oci.container_instances();
        let read = failure::glance(cx, "reading the container's log", api.logs(container, previous)).await;
        log = read.map(|answer| answer.value).unwrap_or(log);
        if !log.trim().is_empty() {
            break;
        }
    }
    let lines: Vec<String> = log.lines().map(|line| cx.world.oci.heard(line)).collect();
    let first = lines.len().saturating_sub(LOG_LINES);
    if lines.is_empty() { String::new() } else { format!("; its last lines: {}", lines[first..].join(" | ")) }
}

/// Everything that the cloud says about a failed instance: details, work request errors, container details.
async fn why_failed(
    cx: &Cx<'_, World>,
    instance: &ContainerInstance,
    work: Option<&WorkRequestId>,
) -> String {
    let api = cx.world.oci.container_instances();
    let mut reasons: Vec<String> =
        instance.lifecycle_details.iter().map(|text| cx.world.oci.heard(text)).collect();
    if let Some(work) = work {
        // The first page is enough.
        let mut errors = api.work_errors(work);
        failure::glance(cx, "reading the work request's errors", errors.turn()).await;
        let told = errors.into_items().into_iter();
        reasons.extend(told.map(|error| cx.world.oci.heard(&format!("{}: {}", error.code, error.message))));
    }
    for container in &instance.containers {
        let read = api.container(&container.container_id);
        let read = failure::glance(cx, "reading the container's details", read).await;
        let details = read.and_then(|answer| answer.value.lifecycle_details);
        reasons.extend(details.iter().map(|text| cx.world.oci.heard(text)));
    }
    if reasons.is_empty() { "the cloud gives no reason".to_owned() } else { reasons.join("; ") }
}

/// What a message says about an instance without IPv4 addresses.
pub(in crate::workflows) fn only_ipv6(id: &InstanceId, addresses: &[String]) -> String {
    format!(
        "{id} has IPv6 addresses alone ({}), and deployctl knows backends by IPv4: put it into a subnet with IPv4",
        addresses.join(", ")
    )
}

/// The addresses of an instance.
pub(in crate::workflows) struct Reached {
    /// Its private addresses; `None` while one of them is not known.
    pub(in crate::workflows) private: Option<Vec<String>>,
    /// Its IPv6 addresses, as far as they are known. Backends are identified by IPv4 addresses only, because nobody knows how
    /// the service names a backend with an IPv6 address.
    pub(in crate::workflows) ipv6: Vec<String>,
    /// Its network cards as the cloud sent them.
    pub(in crate::workflows) cards: Vec<Value>,
}

/// Reads the addresses of an instance, each VNIC once.
pub(in crate::workflows) async fn reached(
    cx: &Cx<'_, World>,
    instance: &ContainerInstance,
) -> Result<Reached, Failure> {
    const DOING: &str = "reading the instance's address";
    let api = cx.world.oci.network();
    let (mut private, mut ipv6, mut cards) = (Some(Vec::new()), Vec::new(), Vec::new());
    for vnic in &instance.vnics {
        let mut address = None;
        if let Some(id) = &vnic.vnic_id {
            match failure::look(cx, DOING, || api.vnic(id)).await? {
                Ok(answer) => {
                    let card = answer.value;
                    address = card["privateIp"].as_str().map(ToOwned::to_owned);
                    let others = card["ipv6Addresses"].as_array().into_iter().flatten();
                    ipv6.extend(others.filter_map(Value::as_str).map(ToOwned::to_owned));
                    cards.push(card);
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(failure::of(DOING, &error)),
            }
        }
        private = private.zip(address).map(|(known, address)| [known, vec![address]].concat());
    }
    Ok(Reached { private: private.filter(|known| !known.is_empty()), ipv6, cards })
}

/// The private addresses of an instance; `None` while they are not known.
pub(in crate::workflows) async fn addresses(
    cx: &Cx<'_, World>,
    instance: &ContainerInstance,
) -> Result<Option<Vec<String>>, Failure> {
    Ok(reached(cx, instance).await?.private)
}
