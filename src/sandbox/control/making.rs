//! Creates an instance, and the work request for it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::addresses;
use crate::sandbox::state::{Container, Instance, State, Work};
use crate::sandbox::wire::Reply;

/// All addresses of the sandbox are in use.
#[derive(Debug)]
pub(in crate::sandbox) struct NoAddress;

impl From<NoAddress> for Reply {
    fn from(NoAddress: NoAddress) -> Self {
        let n = addresses::N_ADDRESSES;
        Self::error(400, "LimitExceeded", format!("all {n} addresses of this sandbox are in use"))
    }
}

/// Adds a new instance to the state, as CREATING.
///
/// # Errors
/// When there is no address for it.
pub(in crate::sandbox) fn make(
    state: &mut State,
    specification: &Value,
    now: DateTime<Utc>,
) -> Result<String, NoAddress> {
    let address = addresses::next(state).ok_or(NoAddress)?;
    let id = state.ocid("computecontainerinstance");
    let vnic = state.ocid("vnic");
    let containers: Vec<Container> = specification["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|specification| {
            let id = state.ocid("computecontainer");
            let display_name = specification["displayName"]
                .as_str()
                .map_or_else(|| format!("container{}", state.counter), ToOwned::to_owned);
            Container {
                id,
                specification: specification.clone(),
                display_name,
                restarts: 0,
                exit_code: None,
                has_ended: false,
                log: String::new(),
            }
        })
        .collect();
    let number = state.next();
    let display_name = specification["displayName"]
        .as_str()
        .map_or_else(|| format!("containerinstance{number}"), ToOwned::to_owned);
    let instance = Instance {
        id: id.clone(),
        number,
        specification: specification.clone(),
        display_name,
        freeform_tags: specification.get("freeformTags").cloned().unwrap_or_else(|| json!({})),
        lifecycle: "CREATING".to_owned(),
        details: None,
        created: now,
        active_since: None,
        gone_since: None,
        containers,
        vnic,
        address,
        version: 1,
        updated: None,
        is_up: false,
    };
    state.instances.insert(id.clone(), instance);
    Ok(id)
}

pub(super) fn start_work(state: &mut State, operation: &str, instance: &str, now: DateTime<Utc>) -> String {
    let id = state.ocid("computecontainerworkrequest");
    let work = Work {
        id: id.clone(),
        operation: operation.to_owned(),
        status: "ACCEPTED".to_owned(),
        instance: instance.to_owned(),
        accepted: now,
        finished: None,
        errors: Vec::new(),
    };
    state.work.insert(id.clone(), work);
    id
}
