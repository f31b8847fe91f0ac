//! Container instances: creating them, finding ours by their tags, waiting until they run, and deleting them to
//! the end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::balancer::SURE_AFTER;
use super::{World, failure};
use crate::engine::{Cx, Looks};
use crate::oci::container_instances::{self as api, ContainerInstance, InstanceState};
use crate::oci::{Etag, InstanceId, WorkRequestId, printable};
use crate::run::{Failure, FailureKind, mask_within};

/// The tags by which an instance is known to be a run's (DESIGN 3).
const RUN_TAG: &str = "deployctl-run";
const STEP_TAG: &str = "deployctl-step";
/// How many lines of a container's log an error shows.
const LOG_LINES: usize = 10;
/// How many times a token may be invalidated before we give up: each time, somebody deleted what we made.
const GENERATIONS_LIMIT: u32 = 3;

/// An instance that runs, with what the load balancer must know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Running {
    pub(super) id: InstanceId,
    pub(super) addresses: Vec<String>,
}

/// `specification` with the tags that make the instance findable by run and step.
pub(super) fn tagged(mut specification: Value, tags: &[(&str, String)]) -> Value {
    let Some(body) = specification.as_object_mut() else { return specification };
    let all = body.entry("freeformTags").or_insert_with(|| Value::Object(Map::new()));
    if let Some(all) = all.as_object_mut() {
        for (name, value) in tags {
            all.insert((*name).to_owned(), json!(value));
        }
    }
    specification
}

/// The tags of what this step, or its compensation, creates.
pub(super) fn own_tags(cx: &Cx<'_, World>, purpose: &str) -> [(&'static str, String); 2] {
    [(RUN_TAG, cx.run().to_string()), (STEP_TAG, format!("{}{purpose}", cx.seq()))]
}

/// Whose request a create is; each has its own token.
#[derive(Clone, Copy)]
pub(super) enum Request {
    /// The step's own. When its instance was deleted by somebody, that is not answered with another one.
    OfTheStep,
    /// Its compensation's, which must bring an instance back.
    OfItsUndo,
}

/// Creates an instance, or returns the one that an earlier attempt of this very step created. `None` when somebody
/// has deleted every instance that the step created.
pub(super) async fn create(
    cx: &Cx<'_, World>,
    specification: &Value,
    hidden: &[String],
    request: Request,
) -> Result<Option<(InstanceId, Option<WorkRequestId>)>, Failure> {
    const DOING: &str = "creating the container instance";
    for generation in 0..GENERATIONS_LIMIT {
        cx.assure_lease().await?;
        let token = match request {
            Request::OfTheStep if generation > 0 => break,
            Request::OfTheStep => cx.token(generation),
            Request::OfItsUndo => cx.undo_token(generation),
        };
        let call = api::create(specification.clone()).with_retry_token(token.as_str());
        match cx.world.oci.container_instances().create(&call).await {
            Ok(answer) => return Ok(Some((answer.value.id, answer.work_request))),
            Err(error) if error.code() == Some("InvalidatedRetryToken") => {}
            Err(error) => return Err(failure::of(DOING, &error).without(hidden)),
        }
    }
    Ok(None)
}

/// Every instance that carries these tags and is not gone.
pub(super) async fn find_tagged(
    cx: &Cx<'_, World>,
    compartment: &str,
    tags: &[(&str, String)],
) -> Result<Vec<InstanceId>, Failure> {
    const DOING: &str = "looking for what the run created";
    let api = cx.world.oci.container_instances();
    let listed = failure::must_look_all(cx, DOING, api.list(compartment)).await?;
    let ours = listed.iter().filter(|instance| {
        let has = |(name, value): &(&str, String)| instance["freeformTags"][*name] == json!(value);
        let is_gone = matches!(instance["lifecycleState"].as_str(), Some("DELETED" | "DELETING"));
        tags.iter().all(has) && !is_gone
    });
    Ok(ours.filter_map(|instance| instance["id"].as_str()).map(InstanceId::from).collect())
}

/// Waits until an instance and all of its containers run, and returns their addresses. What is `hidden` is masked in
/// whatever the cloud and the containers say of it.
///
/// # Errors
/// Permanent when it failed, was deleted, a container exits or restarts, or the time is over.
pub(super) async fn until_running(
    cx: &Cx<'_, World>,
    id: &InstanceId,
    work: Option<&WorkRequestId>,
    hidden: &[String],
) -> Result<Running, Failure> {
    let deadline = Instant::now() + cx.world.instance_timeout;
    for wait in Looks::at_most(cx.world.poll_interval) {
        let state = match look(cx, id, work).await.map_err(|failure| failure.without(hidden))? {
            Look::Running(running) => return Ok(running),
            Look::NotYet(state) => mask_within(&state, hidden),
        };
        if Instant::now() + wait > deadline {
            return Err(Failure::permanent(
                "waiting for the container instance",
                format!(
                    "{id} is not running within {}: {state}",
                    humantime::format_duration(cx.world.instance_timeout)
                ),
            ));
        }
        cx.progress(&state);
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

enum Look {
    Running(Running),
    NotYet(String),
}

async fn look(cx: &Cx<'_, World>, id: &InstanceId, work: Option<&WorkRequestId>) -> Result<Look, Failure> {
    const DOING: &str = "waiting for the container instance";
    let api = cx.world.oci.container_instances();
    let instance = match failure::look(cx, DOING, async || api.get(id).await).await? {
        Ok(answer) => answer.value,
        // Right after it was created it may not be visible yet (OCI.md 2.7).
        Err(error) if error.is_not_found() => return Ok(Look::NotYet("not visible yet".to_owned())),
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    match instance.lifecycle_state {
        InstanceState::Active => {}
        InstanceState::Creating | InstanceState::Updating | InstanceState::Unknown => {
            return Ok(Look::NotYet(instance.lifecycle_state.to_string()));
        }
        InstanceState::Failed => {
            let why = why_failed(cx, &instance, work).await;
            return Err(Failure::permanent(DOING, format!("{id} has FAILED: {why}")));
        }
        InstanceState::Inactive => {
            let why = why_failed(cx, &instance, work).await;
            return Err(Failure::permanent(
                DOING,
                format!("{id} is INACTIVE, its containers have ended: {why}"),
            ));
        }
        InstanceState::Deleting | InstanceState::Deleted => {
            return Err(Failure::permanent(DOING, format!("{id} was deleted by somebody else")));
        }
    }
    for container in &instance.containers {
        if let Some(state) = container_not_ready(cx, &container.container_id).await? {
            return Ok(Look::NotYet(state));
        }
    }
    match addresses(cx, &instance).await? {
        Some(addresses) => Ok(Look::Running(Running { id: id.clone(), addresses })),
        None => Ok(Look::NotYet("waiting for its address".to_owned())),
    }
}

/// Why a container is not ready, if it is not. ACTIVE alone does not say: a crash loop leaves it so (OCI.md 2.1).
async fn container_not_ready(cx: &Cx<'_, World>, id: &str) -> Result<Option<String>, Failure> {
    const DOING: &str = "looking at the containers";
    let api = cx.world.oci.container_instances();
    let container = match failure::look(cx, DOING, async || api.container(id).await).await? {
        Ok(answer) => answer.value,
        Err(error) if error.is_not_found() => return Ok(Some("containers not visible yet".to_owned())),
        Err(error) => return Err(failure::of(DOING, &error)),
    };
    let name = printable(&container.display_name);
    if container.container_restart_attempt_count > 0 || container.exit_code.is_some() {
        let code = container.exit_code.map_or_else(String::new, |code| format!(" with code {code}"));
        let log = last_lines(cx, id).await;
        return Err(Failure::permanent(
            DOING,
            format!(
                "container `{name}` exited{code} and was restarted {} times{log}",
                container.container_restart_attempt_count
            ),
        ));
    }
    let is_active = container.lifecycle_state == InstanceState::Active;
    Ok((!is_active).then(|| format!("container `{name}` is {}", container.lifecycle_state)))
}

/// The end of a container's log for an error message; empty when there is none to be had.
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
    let lines: Vec<String> = log.lines().map(printable).collect();
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
    let mut reasons: Vec<String> = instance.lifecycle_details.iter().map(|text| printable(text)).collect();
    if let Some(work) = work {
        // The first page says enough.
        let mut errors = api.work_errors(work);
        failure::glance(cx, "reading the work request's errors", errors.turn()).await;
        let told = errors.into_items().into_iter();
        reasons.extend(told.map(|error| printable(&format!("{}: {}", error.code, error.message))));
    }
    for container in &instance.containers {
        let read = api.container(&container.container_id);
        let read = failure::glance(cx, "reading the container's details", read).await;
        let details = read.and_then(|answer| answer.value.lifecycle_details);
        reasons.extend(details.iter().map(|text| printable(text)));
    }
    if reasons.is_empty() { "the cloud gives no reason".to_owned() } else { reasons.join("; ") }
}

/// The private addresses of an instance; `None` while they are not known.
pub(super) async fn addresses(
    cx: &Cx<'_, World>,
    instance: &ContainerInstance,
) -> Result<Option<Vec<String>>, Failure> {
    const DOING: &str = "reading the instance's address";
    let api = cx.world.oci.network();
    let mut addresses = Vec::new();
    for vnic in &instance.vnics {
        let Some(id) = &vnic.vnic_id else { return Ok(None) };
        match failure::look(cx, DOING, async || api.vnic(id).await).await? {
            Ok(answer) => match answer.value.private_ip {
                Some(address) => addresses.push(address),
                None => return Ok(None),
            },
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(failure::of(DOING, &error)),
        }
    }
    Ok((!addresses.is_empty()).then_some(addresses))
}

/// Deletes an instance and waits until it is gone. An instance that is gone already is deleted.
///
/// A 404 of the read alone is not believed: right after a create, reads may lag behind it.
pub(super) async fn delete(cx: &Cx<'_, World>, compartment: &str, id: &InstanceId) -> Result<(), Failure> {
    const DOING: &str = "deleting the container instance";
    let started = Instant::now();
    let mut is_accepted = false;
    for wait in Looks::at_most(cx.world.poll_interval) {
        let state = state(cx, compartment, id).await?;
        match state {
            Some(InstanceState::Deleted) => return Ok(()),
            None if is_accepted || started.elapsed() > SURE_AFTER => return Ok(()),
            Some(InstanceState::Deleting) => {}
            Some(_) if is_accepted => {}
            Some(_) | None => {
                cx.assure_lease().await?;
                match cx.world.oci.send(&api::delete(id)).await {
                    Ok(_) => is_accepted = true,
                    Err(error) if error.is_not_found() && state.is_none() => {}
                    Err(error) if error.is_not_found() && started.elapsed() <= SURE_AFTER => {}
                    Err(error) => return Err(failure::of(DOING, &error)),
                }
            }
        }
        if started.elapsed() + wait > cx.world.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is not gone yet")));
        }
        cx.progress(format!("waiting for {id} to be gone"));
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Where an instance stands; `None` when it is not there any more.
///
/// A 404 may also mean that we may not see it, or not yet (OCI.md 2.7): the compartment's list is asked as well.
///
/// # Errors
/// Transient when the list shows it alive and it cannot be read.
pub(super) async fn state(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
) -> Result<Option<InstanceState>, Failure> {
    Ok(standing(cx, compartment, id).await?.map(|standing| standing.state))
}

/// Where an instance stands, and the version of it that does.
pub(super) struct Standing {
    pub(super) state: InstanceState,
    pub(super) etag: Option<Etag>,
}

/// The same as [`state`], with the version, by which a change is refused when it is not of that one any more.
pub(super) async fn standing(
    cx: &Cx<'_, World>,
    compartment: &str,
    id: &InstanceId,
) -> Result<Option<Standing>, Failure> {
    const DOING: &str = "looking at the container instance";
    let api = cx.world.oci.container_instances();
    match failure::look(cx, DOING, async || api.get(id).await).await? {
        Ok(answer) => {
            return Ok(Some(Standing { state: answer.value.lifecycle_state, etag: answer.etag }));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failure::of(DOING, &error)),
    }
    let listed = failure::must_look_all(cx, DOING, api.list(compartment)).await?;
    let found = listed.iter().find(|instance| instance["id"] == id.as_str());
    match found.and_then(|instance| instance["lifecycleState"].as_str()) {
        None | Some("DELETED") => Ok(None),
        Some(state) => {
            let state = printable(state);
            Err(Failure::transient(DOING, format!("{id} is listed as {state} and cannot be read")))
        }
    }
}

/// Gives an instance another version and changes nothing else of it, so that the cloud refuses a delete or a stop that is
/// still on its way: from a process that was paused right before it sent it, or held up in a network.
pub(super) async fn outrun(cx: &Cx<'_, World>, id: &InstanceId) -> Result<(), Failure> {
    const DOING: &str = "outrunning what may be on its way to the old instance";
    let api = cx.world.oci.container_instances();
    let before = failure::must_look(cx, DOING, async || api.get(id).await).await?;
    cx.assure_lease().await?;
    let call = api::rename(id, &before.value.display_name).only_if(before.etag.clone());
    match cx.world.oci.send(&call).await {
        Ok(_) => {}
        // It has arrived meanwhile: looked at anew, the instance is gone.
        Err(error) if error.is_not_found() => {
            return Err(Failure::transient(DOING, format!("{id} cannot be seen any more")));
        }
        Err(error) => return Err(failure::of(DOING, &error)),
    }
    let started = Instant::now();
    for wait in Looks::at_most(cx.world.poll_interval) {
        let now = failure::must_look(cx, DOING, async || api.get(id).await).await?;
        let has_moved = now.etag != before.etag;
        if has_moved && now.value.lifecycle_state != InstanceState::Updating {
            return Ok(());
        }
        if !has_moved && started.elapsed() > SURE_AFTER {
            cx.warn(format!("{id} kept its version: what may be on its way to it could not be outrun"));
            return Ok(());
        }
        if started.elapsed() > cx.world.instance_timeout {
            return Err(Failure::transient(DOING, format!("{id} is being updated still")));
        }
        cx.pause(wait).await?;
    }
    unreachable!("looks never end")
}

/// Whether the cloud refused a create for good, so that it cannot have taken effect.
pub(super) fn is_refusal(failure: &Failure) -> bool {
    failure.kind == FailureKind::Permanent
}
