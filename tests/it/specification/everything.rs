//! A specification with every field, and the instance that comes of it.

use serde_json::{Value, json};

use crate::harness::World;

/// A specification that uses every field of the API that we accept once.
pub(super) fn everything(deployment: &mut Value) {
    let config = &mut deployment["ci-config"];
    config["fault-domain"] = json!("FAULT-DOMAIN-2");
    config["graceful-shutdown-timeout-in-seconds"] = json!(30);
    config["container-restart-policy"] = json!("ON_FAILURE");
    config["defined-tags"] = json!({"Operations": {"CostCenter": 42, "Owner": "ann", "IsShared": true}});
    config["dns-config"] =
        json!({"nameservers": ["10.0.0.2", "fd00::2"], "searches": ["example.com"], "options": ["ndots:2"]});
    config["security-context"] = json!({"security-context-type": "LINUX", "fs-group": 1000, "fs-group-change-policy": "ON_ROOT_MISMATCH"});
    config["image-pull-secrets"] = json!([
        {"secret-type": "BASIC", "registry-endpoint": "iad.ocir.io", "username": "dQ==", "password": "cA=="},
        {"secret-type": "VAULT", "registry-endpoint": "phx.ocir.io", "secret-id": "ocid1.vaultsecret.oc1.iad.sandbox"},
    ]);
    config["vnics"][0]["nsg-ids"] = json!(["ocid1.networksecuritygroup.oc1.iad.sandbox"]);
    config["vnics"][0]["hostname-label"] = json!("web");
    config["vnics"][0]["is-public-ip-assigned"] = json!(false);
    config["vnics"][0]["skip-source-dest-check"] = json!(true);
    config["vnics"][0]["display-name"] = json!("card");
    config["vnics"][0]["freeform-tags"] = json!({"side": "front"});
    config["volumes"] = json!([
        {"name": "scratch", "volume-type": "EMPTYDIR", "backing-store": "MEMORY"},
        {"name": "settings", "volume-type": "CONFIGFILE",
         "configs": [{"file-name": "a.conf", "data": "YQ==", "path": "conf.d"}]},
        {"name": "shared", "volume-type": "OCI_FSS_FILE_SYSTEM",
         "mount-target": {"oci-fss-mount-target-type": "OCID", "id": "ocid1.mounttarget.oc1.iad.sandbox"},
         "export": {"oci-fss-export-type": "OCID", "id": "ocid1.export.oc1.iad.sandbox"},
         "security": {"auth": "SYS", "is-encrypted-in-transit": true},
         "mount-command": {"mount-options": [{"option": "nosuid"}, {"option": "rsize", "value": "1048576"}]}},
    ]);
    let container = &mut config["containers"][0];
    container["command"] = json!(["/bin/sh"]);
    container["arguments"] = json!(["-c", "exec httpd"]);
    container["working-directory"] = json!("/srv");
    container["is-resource-principal-disabled"] = json!(true);
    container["resource-config"] = json!({"vcpus-limit": 1.5, "memory-limit-in-gbs": 1});
    container["health-checks"] = json!([
        {"health-check-type": "HTTP", "name": "live", "path": "/", "port": 80, "interval-in-seconds": 5,
         "initial-delay-in-seconds": 0, "failure-threshold": 3, "success-threshold": 1, "timeout-in-seconds": 2,
         "failure-action": "NONE", "headers": [{"name": "X-Probe", "value": ""}]},
        {"health-check-type": "TCP", "port": 80},
    ]);
    container["security-context"] = json!({
        "security-context-type": "LINUX", "run-as-user": 1000, "run-as-group": 1000,
        "is-non-root-user-check-enabled": true, "is-root-file-system-readonly": true,
        "capabilities": {"add-capabilities": ["CAP_NET_BIND_SERVICE"], "drop-capabilities": ["ALL"]},
    });
    container["volume-mounts"] = json!([
        {"mount-path": "/tmp", "volume-name": "scratch"},
        {"mount-path": "/etc/app", "volume-name": "settings", "is-read-only": true},
        {"mount-path": "/data", "volume-name": "shared", "sub-path": "web", "partition": 1},
    ]);
}

/// The parts of an instance, except those that are its own: ids, addresses and times, and the tags of runs.
pub(super) fn made_of(world: &World, id: &str) -> Value {
    let own = |mut value: Value, names: &[&str]| {
        let fields = value.as_object_mut().expect("an object");
        fields.retain(|name, _| !names.contains(&name.as_str()) && !name.starts_with("time"));
        if let Some(tags) = fields.get_mut("freeformTags").and_then(Value::as_object_mut) {
            tags.retain(|name, _| !name.starts_with("deployctl-"));
        }
        if let Some(tags) = fields.get_mut("definedTags").and_then(Value::as_object_mut) {
            tags.remove("Oracle-Tags");
        }
        value
    };
    let instance = world.get(&format!("/20210415/containerInstances/{id}"));
    let parts = |list: &str, of: &str, path: &str, names: &[&str]| -> Value {
        let listed = instance[list].as_array().expect("a list").iter();
        listed
            .map(|one| own(world.get(&format!("{path}/{}", one[of].as_str().expect("an id"))), names))
            .collect()
    };
    let containers =
        parts("containers", "containerId", "/20210415/containers", &["id", "containerInstanceId"]);
    let cards = parts("vnics", "vnicId", "/20160918/vnics", &["id", "privateIp", "publicIp", "macAddress"]);
    let mut whole = own(instance.clone(), &["id"]);
    (whole["containers"], whole["vnics"]) = (containers, cards);
    whole
}
