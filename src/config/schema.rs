//! The specification of a container instance: which fields there are, and what each may hold (OCI.md section 5 and
//! appendix A.1). A table, so that every problem is found at once and named by its path.

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    Integer,
    Number,
    /// A TCP port.
    Port,
    /// Text in base64.
    Base64,
    Texts,
    /// Names chosen by the user, with texts.
    TextMap,
    /// Names chosen by the user, with anything.
    FreeMap,
    One(&'static Model),
    Many(&'static Model),
    /// Anything, for what is deprecated or refused with a reason of its own.
    Refused(&'static str),
}

/// A field of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

/// A word, and the fields that it brings.
pub(super) type Variant = (&'static str, &'static [Field]);

/// A map with known keys. Where `variants` is there, the fields depend on the word in its first field.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) fields: &'static [Field],
    pub(super) variants: Option<(&'static str, &'static [Variant])>,
}

const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: true }
}

const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: false }
}

const fn plain(fields: &'static [Field]) -> Model {
    Model { fields, variants: None }
}

use Kind::{Base64, Bool, FreeMap, Integer, Many, Number, One, Port, Refused, Text, TextMap, Texts, Word};

const TAGS: [Field; 2] = [may("freeformTags", TextMap), may("definedTags", FreeMap)];

/// The whole specification.
pub(super) static INSTANCE: Model = plain(&[
    may("displayName", Text),
    must("compartmentId", Text),
    must("availabilityDomain", Text),
    may("faultDomain", Text),
    must("shape", Text),
    must("shapeConfig", One(&SHAPE_CONFIG)),
    may("volumes", Many(&VOLUME)),
    must("containers", Many(&CONTAINER)),
    must("vnics", Many(&VNIC)),
    may("dnsConfig", One(&DNS)),
    may("gracefulShutdownTimeoutInSeconds", Integer),
    may("imagePullSecrets", Many(&PULL_SECRET)),
    may("containerRestartPolicy", Word(&["ALWAYS", "NEVER", "ON_FAILURE"])),
    may("securityContext", One(&INSTANCE_SECURITY)),
    TAGS[0],
    TAGS[1],
]);

static SHAPE_CONFIG: Model = plain(&[must("ocpus", Number), may("memoryInGBs", Number)]);

static CONTAINER: Model = plain(&[
    may("displayName", Text),
    must("imageUrl", Text),
    may("command", Texts),
    may("arguments", Texts),
    may("workingDirectory", Text),
    may("environmentVariables", TextMap),
    may("volumeMounts", Many(&MOUNT)),
    may("isResourcePrincipalDisabled", Bool),
    may("resourceConfig", One(&RESOURCES)),
    may("healthChecks", Many(&HEALTH_CHECK)),
    may("securityContext", One(&CONTAINER_SECURITY)),
    TAGS[0],
    TAGS[1],
]);

static MOUNT: Model = plain(&[
    must("mountPath", Text),
    must("volumeName", Text),
    may("subPath", Text),
    may("isReadOnly", Bool),
    may("partition", Integer),
]);

static RESOURCES: Model = plain(&[may("vcpusLimit", Number), may("memoryLimitInGBs", Number)]);

const CHECK: [Field; 7] = [
    may("name", Text),
    may("initialDelayInSeconds", Integer),
    may("intervalInSeconds", Integer),
    may("failureThreshold", Integer),
    may("successThreshold", Integer),
    may("timeoutInSeconds", Integer),
    may("failureAction", Word(&["KILL", "NONE"])),
];

static HEALTH_CHECK: Model = Model {
    fields: &CHECK,
    variants: Some((
        "healthCheckType",
        &[
            ("HTTP", &[must("path", Text), must("port", Port), may("headers", Many(&HEADER))]),
            ("TCP", &[must("port", Port)]),
        ],
    )),
};

static HEADER: Model = plain(&[must("name", Text), must("value", Text)]);

static CONTAINER_SECURITY: Model = Model {
    fields: &[],
    variants: Some((
        "securityContextType",
        &[(
            "LINUX",
            &[
                may("runAsUser", Integer),
                may("runAsGroup", Integer),
                may("isNonRootUserCheckEnabled", Bool),
                may("isRootFileSystemReadonly", Bool),
                may("capabilities", One(&CAPABILITIES)),
            ],
        )],
    )),
};

static CAPABILITIES: Model = plain(&[may("addCapabilities", Texts), may("dropCapabilities", Texts)]);

static INSTANCE_SECURITY: Model = Model {
    fields: &[],
    variants: Some((
        "securityContextType",
        &[(
            "LINUX",
            &[may("fsGroup", Integer), may("fsGroupChangePolicy", Word(&["ALWAYS", "ON_ROOT_MISMATCH"]))],
        )],
    )),
};

static VNIC: Model = plain(&[
    must("subnetId", Text),
    may("displayName", Text),
    may("hostnameLabel", Text),
    may("isPublicIpAssigned", Bool),
    may("skipSourceDestCheck", Bool),
    may("nsgIds", Texts),
    may(
        "privateIp",
        Refused(
            "a fixed address is the old instance's until it is gone, so the new one could not be made beside it: \
             leave it out",
        ),
    ),
    TAGS[0],
    TAGS[1],
]);

static VOLUME: Model = Model {
    fields: &[must("name", Text)],
    variants: Some((
        "volumeType",
        &[
            ("EMPTYDIR", &[may("backingStore", Word(&["EPHEMERAL_STORAGE", "MEMORY"]))]),
            ("CONFIGFILE", &[may("configs", Many(&CONFIG_FILE))]),
            (
                "OCI_FSS_FILE_SYSTEM",
                &[
                    must("mountTarget", One(&MOUNT_TARGET)),
                    must("export", One(&EXPORT)),
                    may("security", One(&FSS_SECURITY)),
                    may("mountCommand", One(&MOUNT_COMMAND)),
                    may("subnetId", Text),
                ],
            ),
        ],
    )),
};

static CONFIG_FILE: Model = plain(&[must("fileName", Text), must("data", Base64), may("path", Text)]);

static MOUNT_TARGET: Model =
    Model { fields: &[], variants: Some(("ociFssMountTargetType", &[("OCID", &[must("id", Text)])])) };

static EXPORT: Model =
    Model { fields: &[], variants: Some(("ociFssExportType", &[("OCID", &[must("id", Text)])])) };

static FSS_SECURITY: Model =
    Model { fields: &[may("isEncryptedInTransit", Bool)], variants: Some(("auth", &[("SYS", &[])])) };

static MOUNT_COMMAND: Model = plain(&[may("mountOptions", Many(&MOUNT_OPTION))]);

static MOUNT_OPTION: Model = plain(&[must("option", Text), may("value", Text)]);

static DNS: Model = plain(&[may("nameservers", Texts), may("searches", Texts), may("options", Texts)]);

static PULL_SECRET: Model = Model {
    fields: &[must("registryEndpoint", Text)],
    variants: Some((
        "secretType",
        &[
            ("BASIC", &[must("username", Base64), must("password", Base64)]),
            ("VAULT", &[must("secretId", Text)]),
        ],
    )),
};

/// How a missing backend set is made; its name comes from the backend (OCI.md appendix A.2).
pub(super) static BACKEND_SET: Model = plain(&[
    must("policy", Word(&["ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH"])),
    must("healthChecker", One(&CHECKER)),
    may("backendMaxConnections", Integer),
    may("sessionPersistenceConfiguration", FreeMap),
    may("lbCookieSessionPersistenceConfiguration", FreeMap),
    may("sslConfiguration", FreeMap),
]);

static CHECKER: Model = plain(&[
    must("protocol", Word(&["HTTP", "TCP"])),
    may("urlPath", Text),
    may("port", Port),
    may("returnCode", Integer),
    may("retries", Integer),
    may("timeoutInMillis", Integer),
    may("intervalInMillis", Integer),
    may("responseBodyRegex", Text),
    may("isForcePlainText", Bool),
]);
