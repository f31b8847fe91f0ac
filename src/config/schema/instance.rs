//! The specifications of a container instance and of a backend set, with the API's limits (docs/oci.md 5 and appendices A.1
//! and A.2).

use super::model::Kind::{
    Base64, Bool, DefinedTags, Environment, FreeMap, Integer, Many, Number, One, Port, Refused, Tags, Texts,
    Word,
};
use super::model::{
    ABOVE_ZERO, ANY_TEXT, COUNT, Field, Model, NAME, TEXT, UNIX_ID, many, may, must, plain, texts, variant,
    varied,
};

const TAGS: [Field; 2] = [may("freeformTags", Tags), may("definedTags", DefinedTags)];

/// What happens when a container exits.
pub(super) const RESTART_POLICIES: &[&str] = &["ALWAYS", "NEVER", "ON_FAILURE"];

/// The whole specification.
pub(in crate::config) static INSTANCE: Model = plain(
    "CreateContainerInstanceDetails",
    &[
        may("displayName", NAME),
        must("compartmentId", NAME),
        must("availabilityDomain", NAME),
        may("faultDomain", NAME),
        must("shape", NAME),
        must("shapeConfig", One(&SHAPE_CONFIG)),
        may("volumes", Many { of: &VOLUME, least: 0, most: 32 }),
        must("containers", Many { of: &CONTAINER, least: 1, most: 60 }),
        must("vnics", Many { of: &VNIC, least: 1, most: 1 }),
        may("dnsConfig", One(&DNS)),
        may("gracefulShutdownTimeoutInSeconds", COUNT),
        may("imagePullSecrets", many(&PULL_SECRET)),
        may("containerRestartPolicy", Word(RESTART_POLICIES)),
        may("securityContext", One(&INSTANCE_SECURITY)),
        TAGS[0],
        TAGS[1],
    ],
);

static SHAPE_CONFIG: Model =
    plain("CreateContainerInstanceShapeConfigDetails", &[must("ocpus", Number), may("memoryInGBs", Number)]);

static CONTAINER: Model = plain(
    "CreateContainerDetails",
    &[
        may("displayName", NAME),
        must("imageUrl", TEXT),
        may("command", texts(usize::MAX)),
        may("arguments", texts(usize::MAX)),
        may("workingDirectory", TEXT),
        may("environmentVariables", Environment),
        may("volumeMounts", many(&MOUNT)),
        may("isResourcePrincipalDisabled", Bool),
        may("resourceConfig", One(&RESOURCES)),
        may("healthChecks", many(&HEALTH_CHECK)),
        may("securityContext", One(&CONTAINER_SECURITY)),
        TAGS[0],
        TAGS[1],
    ],
);

static MOUNT: Model = plain(
    "CreateVolumeMountDetails",
    &[
        must("mountPath", TEXT),
        must("volumeName", NAME),
        may("subPath", TEXT),
        may("isReadOnly", Bool),
        may("partition", ABOVE_ZERO),
    ],
);

static RESOURCES: Model = plain(
    "CreateContainerResourceConfigDetails",
    &[may("vcpusLimit", Number), may("memoryLimitInGBs", Number)],
);

static HEALTH_CHECK: Model = varied(
    "CreateContainerHealthCheckDetails",
    &[
        may("name", TEXT),
        may("initialDelayInSeconds", COUNT),
        may("intervalInSeconds", ABOVE_ZERO),
        may("failureThreshold", ABOVE_ZERO),
        may("successThreshold", ABOVE_ZERO),
        may("timeoutInSeconds", ABOVE_ZERO),
        may("failureAction", Word(&["KILL", "NONE"])),
    ],
    "healthCheckType",
    &[
        variant(
            "HTTP",
            "CreateContainerHttpHealthCheckDetails",
            &[must("path", TEXT), must("port", Port), may("headers", many(&HEADER))],
        ),
        variant("TCP", "CreateContainerTcpHealthCheckDetails", &[must("port", Port)]),
    ],
);

static HEADER: Model = plain("HealthCheckHttpHeader", &[must("name", TEXT), must("value", ANY_TEXT)]);

static CONTAINER_SECURITY: Model = varied(
    "CreateSecurityContextDetails",
    &[],
    "securityContextType",
    &[variant(
        "LINUX",
        "CreateLinuxSecurityContextDetails",
        &[
            may("runAsUser", UNIX_ID),
            may("runAsGroup", UNIX_ID),
            may("isNonRootUserCheckEnabled", Bool),
            may("isRootFileSystemReadonly", Bool),
            may("capabilities", One(&CAPABILITIES)),
        ],
    )],
);

const CAPABILITY: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
    "ALL",
];

static CAPABILITIES: Model = plain(
    "ContainerCapabilities",
    &[
        may("addCapabilities", Texts { most: usize::MAX, words: CAPABILITY }),
        may("dropCapabilities", Texts { most: usize::MAX, words: CAPABILITY }),
    ],
);

static INSTANCE_SECURITY: Model = varied(
    "CreateContainerInstanceSecurityContextDetails",
    &[],
    "securityContextType",
    &[variant(
        "LINUX",
        "CreateLinuxContainerInstanceSecurityContextDetails",
        &[may("fsGroup", COUNT), may("fsGroupChangePolicy", Word(&["ALWAYS", "ON_ROOT_MISMATCH"]))],
    )],
);

static VNIC: Model = plain(
    "CreateContainerVnicDetails",
    &[
        must("subnetId", NAME),
        may("displayName", NAME),
        may("hostnameLabel", TEXT),
        may("isPublicIpAssigned", Bool),
        may("skipSourceDestCheck", Bool),
        may("nsgIds", texts(usize::MAX)),
        may(
            "privateIp",
            Refused(
                "a fixed address is the old instance's until it is gone, so the new one could not be made beside \
                 it: leave it out",
            ),
        ),
        TAGS[0],
        TAGS[1],
    ],
);

static VOLUME: Model = varied(
    "CreateContainerVolumeDetails",
    &[must("name", NAME)],
    "volumeType",
    &[
        variant(
            "EMPTYDIR",
            "CreateContainerEmptyDirVolumeDetails",
            &[may("backingStore", Word(&["EPHEMERAL_STORAGE", "MEMORY"]))],
        ),
        variant(
            "CONFIGFILE",
            "CreateContainerConfigFileVolumeDetails",
            &[may("configs", many(&CONFIG_FILE))],
        ),
        variant(
            "OCI_FSS_FILE_SYSTEM",
            "CreateContainerOciFssVolumeDetails",
            &[
                must("mountTarget", One(&MOUNT_TARGET)),
                must("export", One(&EXPORT)),
                may("security", One(&FSS_SECURITY)),
                may("mountCommand", One(&MOUNT_COMMAND)),
                may("subnetId", NAME),
            ],
        ),
    ],
);

static CONFIG_FILE: Model =
    plain("ContainerConfigFile", &[must("fileName", TEXT), must("data", Base64), may("path", TEXT)]);

static MOUNT_TARGET: Model = varied(
    "CreateOciFssMountTargetDetails",
    &[],
    "ociFssMountTargetType",
    &[variant("OCID", "CreateOciFssMountTargetIdDetails", &[must("id", NAME)])],
);

static EXPORT: Model = varied(
    "CreateOciFssExportDetails",
    &[],
    "ociFssExportType",
    &[variant("OCID", "CreateOciFssExportIdDetails", &[must("id", NAME)])],
);

static FSS_SECURITY: Model = varied(
    "CreateOciFssSecurityDetails",
    &[may("isEncryptedInTransit", Bool)],
    "auth",
    &[variant("SYS", "CreateOciFssSysSecurityDetails", &[])],
);

static MOUNT_COMMAND: Model =
    plain("CreateOciFssMountCommandDetails", &[may("mountOptions", many(&MOUNT_OPTION))]);

static MOUNT_OPTION: Model =
    plain("CreateOciFssMountOptionDetails", &[must("option", TEXT), may("value", ANY_TEXT)]);

static DNS: Model = plain(
    "CreateContainerDnsConfigDetails",
    &[may("nameservers", texts(3)), may("searches", texts(6)), may("options", texts(16))],
);

static PULL_SECRET: Model = varied(
    "CreateImagePullSecretDetails",
    &[must("registryEndpoint", TEXT)],
    "secretType",
    &[
        variant(
            "BASIC",
            "CreateBasicImagePullSecretDetails",
            &[must("username", Base64), must("password", Base64)],
        ),
        variant("VAULT", "CreateVaultImagePullSecretDetails", &[must("secretId", NAME)]),
    ],
);

/// A backend set to create if it is missing. Its name and its backends come from the deployment.
pub(in crate::config) static BACKEND_SET: Model = plain(
    "CreateBackendSetDetails",
    &[
        must("policy", Word(&["ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH"])),
        must("healthChecker", One(&CHECKER)),
        may("backendMaxConnections", COUNT),
        may("sessionPersistenceConfiguration", FreeMap),
        may("lbCookieSessionPersistenceConfiguration", FreeMap),
        may("sslConfiguration", FreeMap),
    ],
);

static CHECKER: Model = plain(
    "HealthCheckerDetails",
    &[
        must("protocol", Word(&["HTTP", "TCP"])),
        may("urlPath", TEXT),
        may("port", Integer { least: 0, most: 65535 }),
        may("returnCode", COUNT),
        may("retries", COUNT),
        may("timeoutInMillis", COUNT),
        may("intervalInMillis", COUNT),
        may("responseBodyRegex", ANY_TEXT),
        may("isForcePlainText", Bool),
    ],
);
