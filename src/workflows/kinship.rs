//! The names of the targets and facts by which runs of a deployment are known. The journal holds them, so they stay.

use crate::run::Kinship;

/// The kind of a deployment's own target. Its name is a `DeploymentTarget` in JSON.
pub const SERVICE: &str = "service";
/// The kind of target for a backend set of a load balancer. Its name is `LOAD-BALANCER/SET`.
pub const BACKEND_SET: &str = "backend-set";
/// The kind of target for an instance that is taken away.
pub(super) const INSTANCE: &str = "instance";

/// The fact that holds the instance to replace.
pub const OLD_INSTANCE: &str = "old-instance-id";
/// The fact that holds the instance that the run created.
pub const NEW_INSTANCE: &str = "new-instance-id";
/// The fact that holds the instance in the old one's place after a rollback.
pub const RESTORED_INSTANCE: &str = "restored-instance-id";

/// The fact that holds the images of the instance to replace, as they are referred to.
pub const OLD_IMAGE: &str = "old-image";
/// The fact that holds the images of the instance that the run created.
pub const NEW_IMAGE: &str = "new-image";

/// The fact that holds the time at which the new version took over all requests, in RFC 3339.
pub const IN_SERVICE_AT: &str = "in-service-at";

/// The fact that holds who started the run.
pub const STARTED_BY: &str = "started-by";
/// The fact that holds why it was started.
pub const START_REASON: &str = "start-reason";
/// The fact that holds who asked for its rollback.
pub const ROLLED_BACK_BY: &str = "rolled-back-by";
/// The fact that holds why it was rolled back.
pub const ROLLBACK_REASON: &str = "rollback-reason";
/// The fact that holds the page of the CI job that started the run.
pub const JOB_URL: &str = "job-url";
/// The fact that holds the run whose specification it has rolled out again.
pub const REPEATS: &str = "repeats-run-id";

/// The facts that are published with a run.
pub const PUBLISHED: [&str; 12] = [
    OLD_INSTANCE,
    OLD_IMAGE,
    NEW_INSTANCE,
    NEW_IMAGE,
    RESTORED_INSTANCE,
    IN_SERVICE_AT,
    STARTED_BY,
    START_REASON,
    JOB_URL,
    ROLLED_BACK_BY,
    ROLLBACK_REASON,
    REPEATS,
];

/// How the runs of this room are related.
pub const KINSHIP: Kinship = Kinship {
    // Two deployments may put their backends in one set.
    shared: &[BACKEND_SET],
    thing: Some(INSTANCE),
    found: OLD_INSTANCE,
    made: NEW_INSTANCE,
    restored: RESTORED_INSTANCE,
};
