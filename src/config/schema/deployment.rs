//! The deployment around the instance: what is replaced, where its traffic comes from, and how.

use super::instance::{BACKEND_SET, INSTANCE, RESTART_POLICIES};
use super::model::{COUNT, Field, Kind, Model, NAME, TEXT, many, may, must, plain, texts};
use Kind::{Bool, DefinedTags, Duration, Factor, Number, One, Port, Tags, Word};

/// The states in which an instance or a load balancer can be (docs/oci.md 2.1, 2.3).
pub(in crate::config) const STATES: &[&str] =
    &["ACTIVE", "CREATING", "DELETED", "DELETING", "FAILED", "INACTIVE", "UPDATING"];

/// How the maps of a filter are compared.
const MATCHES: &[&str] = &["exact", "subset"];

/// A deployment file.
pub(in crate::config) static DEPLOYMENT: Model = Model {
    title: "Deployment",
    fields: &[
        may("name", TEXT).about("Names the deployment; by default the instance's display name."),
        may("config", One(&CREDENTIALS)).about("How to sign in; by default the profile of ~/.oci/config."),
        may("config-file", TEXT).about("The file that `config` is in, from this file's folder."),
        may("ci-config", One(&INSTANCE)).about("The new container instance."),
        may("ci-config-file", TEXT).about("The file that `ci-config` is in, from this file's folder."),
        may("ci-filter", One(&INSTANCE_FILTER))
            .about("Which instance is replaced: everything named here must be as in the cloud."),
        may("lb-filter", One(&BALANCER_FILTER)).about("Which load balancer the traffic comes through."),
        may("match", Word(MATCHES))
            .about("Whether a map in a filter must be equal as a whole, or be contained (exact)."),
        may("lb-compartment", NAME)
            .about("Where load balancers are looked for; by default where instances are."),
        may("first", Bool)
            .about("Whether the new instance is put beside what is there when the filter finds no old one."),
        may("replace", NAME).about("The OCID of the old instance, which is taken in whatever state it is."),
        may("interpolate", Bool).about(
            "Whether ${NAME} and ${NAME:-default} in the values of this file are replaced by variables of the environment.",
        ),
        may("backends", many(&BACKEND))
            .about("Where the new instance is registered; by default the old one's sets and ports."),
        may("drain-delay", Duration).about("From draining the old backends to removing them (10 s)."),
        may("backend-timeout", Duration).about("The longest until the new backends are healthy (2 m)."),
        may("instance-timeout", Duration).about("The longest until the new instance is active (10 m)."),
        may("min-ready", Duration).about(
            "How long a new backend must stay healthy before it is admitted (an interval of its checker, at most 10 s).",
        ),
        may("work-timeout", Duration)
            .about("The longest that somebody else's work on the load balancer is waited for (10 m)."),
        may("lb-compartments", texts(usize::MAX)).about(
            "Where there are load balancers besides that may send requests to the old instance: it is not retired then.",
        ),
        may("poll-interval", Duration).about("The longest between two looks (2 s). Long before the usual end of something, five times as long."),
        may("request-timeout", Duration).about("The longest until one request is answered (30 s)."),
        may("on-failure", Word(&["rollback", "halt"])).about("What follows when a step fails for good."),
        may("old-instance", Word(&["delete", "stop", "keep"])).about("What becomes of the old instance."),
        may("register", Word(&["drained", "active"]))
            .about("Whether new backends wait for their health check before they get traffic."),
        may("strategy", One(&STRATEGY)).about("How the new version takes over."),
        may("retry", One(&RETRY)).about("How failed attempts are spaced."),
    ],
    variants: None,
    needs_one_of: &[],
    has_own_keys: true,
};

/// The credentials in the format of our predecessor library.
pub(in crate::config) static CREDENTIALS: Model = Model {
    title: "Credentials",
    fields: &[
        must("user-ocid", TEXT),
        must("tenancy-ocid", TEXT),
        may("compartment-id", TEXT).about("Where load balancers and instances are looked for."),
        must("key-fingerprint", TEXT),
        may("private-key", TEXT).about("The private key as PEM text, or `private-key-file`."),
        may("private-key-file", TEXT).about("The file with the private key, from this file's folder."),
        may("pass-phrase", TEXT).about("What opens the private key."),
        must("region", TEXT),
    ],
    variants: None,
    needs_one_of: &[],
    has_own_keys: true,
};

const fn filter(
    title: &'static str,
    fields: &'static [Field],
    needs_one_of: &'static [&'static str],
) -> Model {
    Model { needs_one_of, ..plain(title, fields) }
}

/// The fields that can identify an instance (docs/oci.md A.1, the summary's fields).
pub(in crate::config) static INSTANCE_FILTER: Model = filter(
    "InstanceFilter",
    &[
        may("availabilityDomain", NAME),
        may("compartmentId", NAME),
        may("containerCount", COUNT),
        may("containerRestartPolicy", Word(RESTART_POLICIES)),
        may("definedTags", DefinedTags),
        may("displayName", NAME),
        may("faultDomain", NAME),
        may("freeformTags", Tags),
        may("id", NAME),
        may("lifecycleState", Word(STATES)),
        may("match", Word(MATCHES)),
        may("shape", NAME),
        may("shapeConfig", One(&SHAPE_FILTER)),
    ],
    &[
        "availabilityDomain",
        "containerCount",
        "containerRestartPolicy",
        "definedTags",
        "displayName",
        "faultDomain",
        "freeformTags",
        "id",
        "shape",
        "shapeConfig",
    ],
);

/// A shape's configuration, as the cloud returns it.
static SHAPE_FILTER: Model = plain(
    "ShapeFilter",
    &[
        may("ocpus", Number),
        may("memoryInGBs", Number),
        may("processorDescription", TEXT),
        may("networkingBandwidthInGbps", Number),
    ],
);

/// The fields that can identify a load balancer.
pub(in crate::config) static BALANCER_FILTER: Model = filter(
    "LoadBalancerFilter",
    &[
        may("compartmentId", NAME),
        may("definedTags", DefinedTags),
        may("displayName", NAME),
        may("freeformTags", Tags),
        may("id", NAME),
        may("isPrivate", Bool),
        may("lifecycleState", Word(STATES)),
        may("match", Word(MATCHES)),
        may("shapeName", NAME),
    ],
    &["definedTags", "displayName", "freeformTags", "id", "isPrivate", "shapeName"],
);

/// A backend set that the new instance joins.
pub(in crate::config) static BACKEND: Model = plain(
    "BackendTarget",
    &[
        must("port", Port).about("The port that the instance listens on."),
        must("backend-set", TEXT).about("The set's name."),
        may("create", One(&BACKEND_SET)).about("How to make the set where it is missing."),
    ],
);

/// How the new version takes over from the old one.
pub(in crate::config) static STRATEGY: Model = plain(
    "Strategy",
    &[may("bake", Duration).about(
        "How long the old version is kept, drained, after the new one has taken over: a rollback is one change then (0 s).",
    )],
);

/// The delays between failed attempts.
pub(in crate::config) static RETRY: Model = plain(
    "Retry",
    &[
        may("max-elapsed", Duration).about("How long after the first failure the attempts go on (10 m)."),
        may("initial-interval", Duration).about("The upper bound of the first delay (1 s)."),
        may("max-interval", Duration).about("The upper bound of any delay (30 s)."),
        may("multiplier", Factor).about("How much the bound grows from one delay to the next (2)."),
    ],
);
