//! The network, the identity service, vaults and file systems, as far as clients of container instances call them.

use serde_json::{Value, json};

use super::demands::FAULT_DOMAINS;
use super::instance_view::has_vnic;
use super::listing::{self, Listing, Sort};
use crate::sandbox::shared::Shared;
use crate::sandbox::state::{
    AVAILABILITY_DOMAIN, COMPARTMENT, EXPORT, Instance, MOUNT_TARGET, SECRET, SECURITY_GROUP, SUBNET, TENANCY,
};
use crate::sandbox::wire::{Reply, Request, array, stamp};

pub(super) fn answer(shared: &Shared, request: &Request, method: &str, path: &[&str]) -> Option<Reply> {
    if method != "GET" {
        return match path {
            [
                "vnics"
                | "privateIps"
                | "subnets"
                | "networkSecurityGroups"
                | "compartments"
                | "availabilityDomains",
                ..,
            ] => Some(Reply::error(405, "MethodNotAllowed", "Method Not Allowed")),
            _ => None,
        };
    }
    let reply = match path {
        ["vnics", id] => vnic(shared, id),
        ["privateIps"] => {
            let state = shared.state();
            let is_of_subnet = request.query("subnetId") == Some(SUBNET);
            let wanted = request.query("vnicId");
            let is_wanted = |instance: &&Instance| is_of_subnet || Some(instance.vnic.as_str()) == wanted;
            let found = state.instances.values().filter(is_wanted);
            let found = found.filter(|instance| !is_gone(instance));
            let found = found.filter(|instance| has_vnic(shared, &state.habits, instance));
            let address = request.query("ipAddress");
            let found = found.filter(|instance| address.is_none_or(|address| address == instance.address));
            let found = found.map(private_ip).collect();
            array(request, found, shared.page_size)
        }
        ["ipv6"] => array(request, Vec::new(), shared.page_size),
        ["subnets", SUBNET] => Reply::json(
            200,
            &json!({
                "id": SUBNET, "compartmentId": COMPARTMENT, "cidrBlock": "127.0.0.0/8", "displayName": "sandbox",
                "lifecycleState": "AVAILABLE", "vcnId": "ocid1.vcn.oc1.iad.sandbox",
                "routeTableId": "ocid1.routetable.oc1.iad.sandbox", "virtualRouterIp": "127.0.0.1",
                "virtualRouterMac": "00:00:00:00:00:01", "timeCreated": stamp(shared.now()),
            }),
        ),
        ["networkSecurityGroups", SECURITY_GROUP] => Reply::json(
            200,
            &json!({
                "id": SECURITY_GROUP, "compartmentId": COMPARTMENT, "displayName": "sandbox",
                "lifecycleState": "AVAILABLE", "vcnId": "ocid1.vcn.oc1.iad.sandbox",
                "freeformTags": {}, "definedTags": {}, "timeCreated": stamp(shared.now()),
            }),
        ),
        ["subnets" | "networkSecurityGroups", _] => Reply::not_found(),
        ["availabilityDomains"] => {
            let domain = json!({"name": AVAILABILITY_DOMAIN, "id": "ocid1.availabilitydomain.oc1..sandbox",
                "compartmentId": request.query("compartmentId")});
            array(request, vec![domain], shared.page_size)
        }
        ["faultDomains"] => {
            let domains = FAULT_DOMAINS.iter().zip(1..).map(|(name, n)| {
                json!({"name": name, "id": format!("ocid1.faultdomain.oc1..sandbox{n}"),
                    "compartmentId": request.query("compartmentId"), "availabilityDomain": AVAILABILITY_DOMAIN})
            });
            array(request, domains.collect(), shared.page_size)
        }
        ["compartments"] => compartments(shared, request).unwrap_or_else(|refusal| refusal),
        ["compartments", COMPARTMENT] => Reply::json(200, &compartment(shared)),
        ["compartments", _] => Reply::not_found(),
        _ => return None,
    };
    Some(reply)
}

/// The only secret and the only file system, for clients that check whether they exist.
pub(super) fn refer(method: &str, path: &[&str]) -> Option<Reply> {
    let (known, body) = match path {
        ["secrets", id] => (
            *id == SECRET,
            json!({"id": id, "compartmentId": COMPARTMENT, "secretName": "sandbox", "lifecycleState": "ACTIVE",
                "vaultId": "ocid1.vault.oc1.iad.sandbox"}),
        ),
        ["mountTargets", id] => (
            *id == MOUNT_TARGET,
            json!({"id": id, "compartmentId": COMPARTMENT, "displayName": "sandbox", "lifecycleState": "ACTIVE",
                "availabilityDomain": AVAILABILITY_DOMAIN, "subnetId": SUBNET, "privateIpIds": []}),
        ),
        ["exports", id] => (
            *id == EXPORT,
            json!({"id": id, "lifecycleState": "ACTIVE", "path": "/sandbox",
                "exportSetId": "ocid1.exportset.oc1.iad.sandbox", "fileSystemId": "ocid1.filesystem.oc1.iad.sandbox"}),
        ),
        _ => return None,
    };
    Some(match (method, known) {
        ("GET", true) => Reply::json(200, &body),
        ("GET", false) => Reply::not_found(),
        _ => Reply::error(405, "MethodNotAllowed", "Method Not Allowed"),
    })
}

fn is_gone(instance: &Instance) -> bool {
    instance.lifecycle == "DELETED"
}

fn vnic(shared: &Shared, id: &str) -> Reply {
    let state = shared.state();
    let Some(instance) = state.instances.values().find(|instance| instance.vnic == id && !is_gone(instance))
    else {
        return Reply::not_found();
    };
    if !has_vnic(shared, &state.habits, instance) {
        return Reply::not_found();
    }
    // Container instances have no IPv6 addresses today. A knob plays what they would look like.
    let knob = |name: &str| instance.containers.iter().find_map(|container| container.knob(name));
    let own = knob("SANDBOX_IPV6_ALONE").is_none().then_some(&instance.address);
    let ipv6 = knob("SANDBOX_IPV6").or_else(|| knob("SANDBOX_IPV6_ALONE"));
    let asked = &instance.specification["vnics"][0];
    let or = |name: &str, default: Value| if asked[name].is_null() { default } else { asked[name].clone() };
    let public =
        (asked["isPublicIpAssigned"] == true).then(|| format!("203.0.113.{}", instance.number % 250));
    Reply::json(
        200,
        &json!({
            "id": id, "availabilityDomain": AVAILABILITY_DOMAIN, "compartmentId": COMPARTMENT,
            "ipv6Addresses": ipv6.map(|address| [address]), "hostnameLabel": asked["hostnameLabel"],
            "displayName": or("displayName", json!(instance.display_name)), "isPrimary": true,
            "freeformTags": or("freeformTags", json!({})), "definedTags": or("definedTags", json!({})),
            "lifecycleState": "AVAILABLE", "macAddress": "00:00:00:00:00:02", "privateIp": own,
            "publicIp": public, "skipSourceDestCheck": or("skipSourceDestCheck", json!(false)),
            "subnetId": or("subnetId", json!(SUBNET)), "nsgIds": or("nsgIds", json!([])),
            "timeCreated": stamp(instance.created),
        }),
    )
    .with("etag", format!("vnic{}", instance.version))
}

fn private_ip(instance: &Instance) -> Value {
    json!({
        "id": format!("ocid1.privateip.oc1.iad.{}", instance.number), "ipAddress": instance.address,
        "vnicId": instance.vnic, "subnetId": SUBNET, "compartmentId": COMPARTMENT, "isPrimary": true,
        "availabilityDomain": AVAILABILITY_DOMAIN, "displayName": instance.display_name,
        "timeCreated": stamp(instance.created),
        "hostnameLabel": instance.specification["vnics"][0]["hostnameLabel"],
    })
}

fn compartments(shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    // The root compartment is not in its own list.
    let all = match listing::compartment(request)? {
        TENANCY => vec![compartment(shared)],
        _ => Vec::new(),
    };
    let listing = Listing {
        filters: &["name", "lifecycleState"],
        states: None,
        sorts: &[Sort::newest_first("TIMECREATED", "timeCreated"), Sort::ascending("NAME", "name")],
    };
    Ok(array(request, listing.of(request, all)?, shared.page_size))
}

fn compartment(shared: &Shared) -> Value {
    json!({
        "id": COMPARTMENT, "compartmentId": shared.identity.tenancy, "name": "sandbox",
        "description": "everything in the sandbox", "timeCreated": stamp(shared.now()), "lifecycleState": "ACTIVE",
        "freeformTags": {}, "definedTags": {},
    })
}
