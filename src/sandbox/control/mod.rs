//! The control plane: from a request to the service that answers it.

mod addresses;
mod apply;
mod balancer_work;
pub(super) mod balancers;
pub(super) mod changes;
mod containers;
mod demands;
mod healths;
mod instance_work;
pub(super) mod instances;
mod listing;
mod orders;
mod others;
mod updates;

use std::sync::Arc;

pub(super) use changes::intrude;

use super::server::Shared;
use super::wire::{Reply, Request};

/// Answers a request whose signature was checked.
pub(super) fn answer(shared: &Arc<Shared>, request: &Request) -> Reply {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let method = request.method.as_str();
    let reply = match segments.as_slice() {
        ["20210415", rest @ ..] => instances::answer(shared, request, method, rest),
        ["20170115", rest @ ..] => balancers::answer(shared, request, method, rest),
        ["20160918", rest @ ..] => others::answer(shared, request, method, rest),
        ["20180608" | "20171215", rest @ ..] => others::refer(method, rest),
        _ => None,
    };
    reply.unwrap_or_else(|| {
        Reply::error(404, "NotFound", format!("no operation at {method} /{}", request.segments.join("/")))
    })
}

/// Refuses a request whose `if-match` is not the current version.
fn check_version(request: &Request, version: &str) -> Result<(), Reply> {
    match request.header("if-match").map(|tag| tag.trim_matches('"')) {
        None | Some("*") => Ok(()),
        Some(tag) if tag == version => Ok(()),
        Some(tag) => Err(Reply::error(412, "NoEtagMatch", no_match(version, tag))),
    }
}

fn no_match(version: &str, tag: &str) -> String {
    format!("Entity has a computed tag of {version}, but is passed a tag of {tag}")
}
