//! Reads the change that a request asks of a load balancer, with the checks that the service makes before it accepts it
//! (docs/oci.md 1.4).

use serde_json::{Map, Value, json};

use super::demands;
use super::listing::one_of;
use crate::sandbox::state::{Backend, Change, SECURITY_GROUP, SUBNET, is_compartment};
use crate::sandbox::wire::Reply;

pub(super) const POLICIES: [&str; 3] = ["ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH"];
/// The protocols of listeners and of health checks.
pub(super) const PROTOCOLS: [&str; 2] = ["HTTP", "TCP"];
pub(super) const SHAPES: [&str; 6] = ["flexible", "10Mbps", "10Mbps-Micro", "100Mbps", "400Mbps", "8000Mbps"];
/// The fields that an update of a load balancer may have.
const UPDATABLE: [&str; 9] = [
    "displayName",
    "freeformTags",
    "definedTags",
    "isDeleteProtectionEnabled",
    "isRequestIdEnabled",
    "requestIdHeader",
    "ipMode",
    "ipv6SubnetCidr",
    "reservedIps",
];
const NAME_LONGEST: usize = 32;

/// The change that a request asks for. `None` if there is no such operation.
pub(super) fn change(method: &str, path: &[&str], body: &Value) -> Option<Result<Change, Reply>> {
    let own = |name: &str| name.to_owned();
    let change = match (method, path) {
        ("PUT", []) => update(body),
        ("DELETE", []) => Ok(Change::Delete),
        ("PUT", ["networkSecurityGroups"]) => groups(body),
        ("PUT", ["updateShape"]) => shape(body),
        ("POST", ["changeCompartment"]) => compartment(body),
        ("POST", ["backendSets"]) => {
            named(body).and_then(|name| set(body).map(|()| Change::CreateSet { name, body: body.clone() }))
        }
        ("PUT", ["backendSets", _]) if !body["backends"].is_array() => Err(Reply::missing("backends")),
        ("PUT", ["backendSets", name]) => {
            set(body).map(|()| Change::UpdateSet { name: own(name), body: body.clone() })
        }
        ("DELETE", ["backendSets", name]) => Ok(Change::DeleteSet { name: own(name) }),
        ("PUT", ["backendSets", name, "healthChecker"]) => {
            checker(body).map(|()| Change::UpdateChecker { set: own(name), body: body.clone() })
        }
        ("POST", ["backendSets", name, "backends"]) => {
            backend(body).map(|backend| Change::CreateBackend { set: own(name), backend })
        }
        ("PUT", ["backendSets", set, "backends", name]) => {
            flags(body).map(|flags| Change::UpdateBackend { set: own(set), name: own(name), flags })
        }
        ("DELETE", ["backendSets", set, "backends", name]) => {
            Ok(Change::DeleteBackend { set: own(set), name: own(name) })
        }
        ("POST", ["listeners"]) => named(body)
            .and_then(|name| listener(&name, body).map(|body| Change::CreateListener { name, body })),
        ("PUT", ["listeners", name]) => {
            listener(name, body).map(|body| Change::UpdateListener { name: own(name), body })
        }
        ("DELETE", ["listeners", name]) => Ok(Change::DeleteListener { name: own(name) }),
        _ => return None,
    };
    Some(change)
}

/// Checks a request for a new load balancer.
pub(super) fn new(body: &Value) -> Result<(), Reply> {
    for name in ["compartmentId", "displayName", "shapeName"] {
        if !body[name].is_string() {
            return Err(Reply::missing(name));
        }
    }
    let Some(subnets) = body["subnetIds"].as_array().filter(|subnets| !subnets.is_empty()) else {
        return Err(Reply::missing("subnetIds"));
    };
    let is_there = body["compartmentId"].as_str().is_some_and(is_compartment)
        && subnets.iter().all(|subnet| subnet == SUBNET);
    if !is_there {
        return Err(Reply::not_found());
    }
    one_of("shapeName", body["shapeName"].as_str().unwrap_or_default(), &SHAPES)?;
    demands::named(body)?;
    let entries = |name: &str| body[name].as_object().into_iter().flatten();
    for (name, body) in entries("backendSets") {
        check_name(name)?;
        set(body)?;
    }
    for (name, one) in entries("listeners") {
        listener(name, one)?;
        let wanted = one["defaultBackendSetName"].as_str().unwrap_or_default();
        if body["backendSets"].get(wanted).is_none() {
            return Err(Reply::invalid(format!(
                "listener '{name}' refers to backend set '{wanted}', which does not exist"
            )));
        }
    }
    Ok(())
}

/// The backends in a set's details.
pub(super) fn backends(body: &Value) -> Result<Vec<Backend>, Reply> {
    let backends: Vec<Backend> =
        body["backends"].as_array().into_iter().flatten().map(backend).collect::<Result<_, _>>()?;
    for (n, one) in backends.iter().enumerate() {
        if backends.iter().take(n).any(|other| other.name() == one.name()) {
            return Err(Reply::invalid(format!("backend '{}' is listed twice", one.name())));
        }
    }
    Ok(backends)
}

/// Whether the update of a set has only the fields that the official SDK has for it (`UpdateBackendSetDetails`,
/// `BackendDetails`). The names in an answer are not among them.
pub(super) fn documented(body: &Value) -> Result<(), Reply> {
    const OF_SETS: [&str; 7] = [
        "policy",
        "backends",
        "backendMaxConnections",
        "healthChecker",
        "sslConfiguration",
        "sessionPersistenceConfiguration",
        "lbCookieSessionPersistenceConfiguration",
    ];
    const OF_BACKENDS: [&str; 7] =
        ["ipAddress", "port", "weight", "maxConnections", "backup", "drain", "offline"];
    let only = |part: &Value, known: &[&str]| {
        let mut names = part.as_object().into_iter().flat_map(Map::keys);
        match names.find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Reply::invalid(format!("Unrecognized field \"{name}\""))),
            None => Ok(()),
        }
    };
    only(body, &OF_SETS)?;
    let mut backends = body["backends"].as_array().into_iter().flatten();
    backends.try_for_each(|backend| only(backend, &OF_BACKENDS))
}

fn set(body: &Value) -> Result<(), Reply> {
    let Some(policy) = body["policy"].as_str() else { return Err(Reply::missing("policy")) };
    one_of("policy", policy, &POLICIES)?;
    if !body["healthChecker"].is_object() {
        return Err(Reply::missing("healthChecker"));
    }
    checker(&body["healthChecker"])?;
    max_connections(body, "backendMaxConnections")?;
    let persists = |name: &str| body[name].is_object();
    if persists("sessionPersistenceConfiguration") && persists("lbCookieSessionPersistenceConfiguration") {
        return Err(Reply::invalid(
            "sessionPersistenceConfiguration and lbCookieSessionPersistenceConfiguration are mutually exclusive",
        ));
    }
    let backends = backends(body)?;
    if policy == "IP_HASH" && backends.iter().any(|backend| backend.backup) {
        return Err(Reply::invalid("a backend set whose policy is IP_HASH has no backups"));
    }
    Ok(())
}

fn checker(body: &Value) -> Result<(), Reply> {
    let Some(protocol) = body["protocol"].as_str() else {
        return Err(Reply::missing("healthChecker.protocol"));
    };
    one_of("healthChecker.protocol", protocol, &PROTOCOLS)?;
    let ranges =
        [("port", 0, 65_535), ("intervalInMillis", 1_000, 1_800_000), ("timeoutInMillis", 1, 600_000)];
    for (name, least, most) in ranges {
        let Some(value) = body.get(name).filter(|value| !value.is_null()) else { continue };
        if value.as_u64().is_none_or(|value| !(least..=most).contains(&value)) {
            return Err(Reply::invalid(format!("healthChecker.{name} must be between {least} and {most}")));
        }
    }
    Ok(())
}

fn backend(body: &Value) -> Result<Backend, Reply> {
    let ip = body["ipAddress"].as_str().filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    let port = port(body);
    let (Some(ip), Some(port)) = (ip, port) else {
        return Err(Reply::invalid("ipAddress and port are required, and must be an address and a port"));
    };
    Ok(Backend { ip: ip.to_owned(), port, ..flags_of(body)? })
}

/// An update of a backend must give all of its flags (docs/oci.md 2.4).
fn flags(body: &Value) -> Result<Value, Reply> {
    for name in ["weight", "backup", "drain", "offline"] {
        if body.get(name).is_none_or(Value::is_null) {
            return Err(Reply::missing(name));
        }
    }
    flags_of(body).map(|_| body.clone())
}

fn listener(name: &str, body: &Value) -> Result<Value, Reply> {
    for name in ["defaultBackendSetName", "protocol"] {
        if !body[name].is_string() {
            return Err(Reply::missing(name));
        }
    }
    one_of("protocol", body["protocol"].as_str().unwrap_or_default(), &PROTOCOLS)?;
    if port(body).is_none() {
        return Err(Reply::invalid("port must be between 1 and 65535"));
    }
    let mut body = body.clone();
    body["name"] = json!(name);
    Ok(body)
}

fn update(body: &Value) -> Result<Change, Reply> {
    demands::named(body)?;
    let fields: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    if let Some(name) = fields.keys().find(|name| !UPDATABLE.contains(&name.as_str())) {
        return Err(Reply::invalid(format!("{name} cannot be updated")));
    }
    Ok(head("UpdateLoadBalancer", Value::Object(fields)))
}

fn groups(body: &Value) -> Result<Change, Reply> {
    let groups = body["networkSecurityGroupIds"].as_array().cloned().unwrap_or_default();
    if groups.iter().any(|group| group != SECURITY_GROUP) {
        return Err(Reply::not_found());
    }
    Ok(head("UpdateNetworkSecurityGroups", json!({"networkSecurityGroupIds": groups})))
}

fn shape(body: &Value) -> Result<Change, Reply> {
    let Some(shape) = body["shapeName"].as_str() else { return Err(Reply::missing("shapeName")) };
    one_of("shapeName", shape, &SHAPES)?;
    Ok(head("UpdateShape", json!({"shapeName": shape, "shapeDetails": body.get("shapeDetails")})))
}

fn compartment(body: &Value) -> Result<Change, Reply> {
    let Some(compartment) = body["compartmentId"].as_str() else {
        return Err(Reply::missing("compartmentId"));
    };
    if !is_compartment(compartment) {
        return Err(Reply::not_found());
    }
    Ok(head("ChangeLoadBalancerCompartment", json!({"compartmentId": compartment})))
}

fn head(kind: &str, fields: Value) -> Change {
    Change::UpdateHead { kind: kind.to_owned(), fields }
}

fn named(body: &Value) -> Result<String, Reply> {
    let Some(name) = body["name"].as_str() else { return Err(Reply::missing("name")) };
    check_name(name).map(|()| name.to_owned())
}

/// "Valid backend set names include only alphanumeric characters, dashes, and underscores." (SDK)
fn check_name(name: &str) -> Result<(), Reply> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=NAME_LONGEST).contains(&name.chars().count()) && name.chars().all(is_fit) {
        return Ok(());
    }
    Err(Reply::invalid(format!(
        "name must have 1 to {NAME_LONGEST} letters, digits, dashes and underscores, and is '{name}'"
    )))
}

fn port(body: &Value) -> Option<u16> {
    body["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

/// 0 and an absent value mean no limit (docs/oci.md 2.4).
pub(super) fn max_connections(body: &Value, name: &str) -> Result<Option<u32>, Reply> {
    match body[name].as_u64() {
        None | Some(0) => Ok(None),
        Some(n @ 256..) => Ok(u32::try_from(n).ok()),
        Some(_) => Err(Reply::invalid(format!("{name} must be at least 256"))),
    }
}

/// The flags of a backend, checked (docs/oci.md 2.4).
pub(super) fn flags_of(body: &Value) -> Result<Backend, Reply> {
    let flag = |name: &str| body[name].as_bool().unwrap_or(false);
    let weight = body.get("weight").filter(|weight| !weight.is_null()).map_or(Some(1), Value::as_u64);
    let weight = weight.and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight >= 1);
    let max_connections = max_connections(body, "maxConnections")?;
    let Some(weight) = weight else { return Err(Reply::invalid("weight must be at least 1")) };
    let (drain, backup, offline) = (flag("drain"), flag("backup"), flag("offline"));
    Ok(Backend { weight, max_connections, drain, backup, offline, ..Backend::at("", 0) })
}
