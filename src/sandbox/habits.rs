//! Habits: where nobody knows for sure what the real cloud does, the sandbox does either, as it is told.
//!
//! The first value of each is what a sandbox does unless it is told otherwise.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What this cloud is like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Habits {
    /// Whether the health of a drained backend is checked; what is not checked is UNKNOWN.
    pub(super) drained_backends: Drained,
    /// Reads of load balancers, their parts, health and versions show the state of so many real milliseconds ago. Work
    /// requests do not lag.
    pub(super) read_lag_ms: u64,
    /// So many real milliseconds pass until a load balancer's work request is there, or is shown as ended.
    pub(super) work_request_lag_ms: u64,
    /// A list shows a container instance only once it is so many real milliseconds old.
    pub(super) list_lag_ms: u64,
    /// What a well backend is called.
    pub(super) health: Well,
    /// Whether both of the nodes that check see a change at the same time. Otherwise one is late: until it has seen
    /// it too, a backend is WARNING.
    pub(super) health_nodes: Nodes,
    /// What becomes of a change of a load balancer while another one is under way: 204 and its turn, or 409.
    pub(super) busy: Busy,
    /// When the `if-match` of a load balancer's change is compared: when the change is accepted (412), or when its
    /// turn comes, which fails its work request. The version moves when a change is applied, so with `accepted` two
    /// changes that queue may both have the same.
    pub(super) if_match: IfMatch,
    /// In which order changes of a load balancer that queue are applied: as they were accepted, or the last one first.
    pub(super) queue: Queue,
    /// Whether a deleted instance can still be read and listed, as DELETED.
    pub(super) deleted_instances: Deleted,
    /// What becomes of an update (PUT) in which every field is what it is already.
    pub(super) no_change: NoChange,
    /// How many backends a set may have, and all sets of a load balancer together; drained ones count.
    pub(super) backends_most: usize,
    /// Whether an instance has its VNIC when it becomes ACTIVE, or gets it a while later, or has it from its creation on.
    pub(super) vnic: Vnic,
    /// Whether a work request can be read at once, or is 404 for a while.
    pub(super) work_requests: Fresh,
    /// Whether the work requests of a load balancer are listed oldest first. Nobody says in which order they are.
    pub(super) oldest_work_first: bool,
    /// What a retry token gives that comes with another `if-match`, or another body. `original`: the version is
    /// compared first, then the first answer is given again. `before-version`: the same, without comparing the
    /// version. `refused`: 409 `InvalidatedRetryToken`.
    pub(super) token_replay: Replay,
    /// What becomes of a request for what is so already, whatever its verb: a drain of a drained backend, a backend or
    /// set that is there just so, a start of what is ACTIVE, a stop of what is INACTIVE. Wider than `no-change`.
    pub(super) no_op: NoOp,
    /// What becomes of a start of what is ACTIVE and of a stop of what is INACTIVE, where `no-op` accepts it: nothing, as
    /// the API's documentation says, or 409.
    pub(super) idle_turns: IdleTurns,
    /// What becomes of a new instance whose subnet or security group is not there: 404, or its work request fails.
    pub(super) references: References,
    /// Whether a new instance gets an address at which somebody left a dead backend. Those go first then.
    pub(super) reuse_addresses: bool,
    /// What becomes of fields in the update of a backend set that the API does not document for it.
    pub(super) undocumented: Undocumented,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            drained_backends: Drained::Checked,
            read_lag_ms: 0,
            work_request_lag_ms: 0,
            list_lag_ms: 0,
            health: Well::Ok,
            health_nodes: Nodes::Agree,
            busy: Busy::Queued,
            if_match: IfMatch::Accepted,
            queue: Queue::FirstFirst,
            deleted_instances: Deleted::Listed,
            no_change: NoChange::Accepted,
            backends_most: 512,
            vnic: Vnic::WithActive,
            work_requests: Fresh::Visible,
            oldest_work_first: false,
            token_replay: Replay::Original,
            no_op: NoOp::Accepted,
            idle_turns: IdleTurns::NoEffect,
            references: References::Refused,
            reuse_addresses: false,
            undocumented: Undocumented::Kept,
        }
    }
}

impl Habits {
    /// These, with what `changes` says instead.
    ///
    /// # Errors
    /// When a name or a value is not known, with those that are.
    pub(super) fn with(self, changes: &Value) -> Result<Self, String> {
        let Some(changes) = changes.as_object() else {
            return Err(format!("expected an object with some of {}", json!(Self::default())));
        };
        let mut all: Map<String, Value> = match json!(self) {
            Value::Object(all) => all,
            _ => Map::new(),
        };
        for (name, value) in changes {
            all.insert(name.clone(), value.clone());
            // One at a time, so that what is wrong can be named.
            if let Err(error) = serde_json::from_value::<Self>(Value::Object(all.clone())) {
                return Err(format!("habit {name}: {error}"));
            }
        }
        serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())
    }
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($value:ident),+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(rename_all = "kebab-case")]
            pub(super) enum $name { $($value),+ }
        )+
    };
}

values! {
    Drained { Checked, Unchecked }
    Well { Ok, Warning }
    Nodes { Agree, Disagree }
    Busy { Queued, Refused }
    IfMatch { Accepted, Applied }
    Queue { FirstFirst, LastFirst }
    Deleted { Listed, Vanish }
    NoChange { Accepted, Refused, KeepsVersion }
    Vnic { WithActive, AfterActive, WithCreating }
    Fresh { Visible, Late }
    Replay { Original, BeforeVersion, Refused }
    NoOp { Accepted, Refused }
    IdleTurns { NoEffect, Conflict }
    References { Refused, Fail }
    Undocumented { Kept, Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_changed_and_the_others_stay() {
        let first = Habits::default().with(&json!({"busy": "refused"})).expect("known");
        let then = first.with(&json!({"read-lag-ms": 5})).expect("known");
        assert_eq!(then, Habits { busy: Busy::Refused, read_lag_ms: 5, ..Habits::default() });
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let refusal = |changes: Value| Habits::default().with(&changes).expect_err("refused");
        let name = refusal(json!({"bussy": "queued"}));
        assert!(name.contains("bussy") && name.contains("`busy`") && name.contains("`vnic`"), "{name}");
        let value = refusal(json!({"no-change": "ignored"}));
        assert!(value.contains("no-change") && value.contains("`keeps-version`"), "{value}");
        let kind = refusal(json!({"read-lag-ms": "soon"}));
        assert!(kind.contains("read-lag-ms"), "{kind}");
        assert!(refusal(json!([])).contains("drained-backends"));
    }
}
