//! The control plane: hands each request to its service.

mod addresses;
mod apply;
pub(super) mod balancer_view;
mod balancer_work;
mod balancers;
pub(super) mod changes;
mod containers;
mod demands;
mod healths;
pub(super) mod instance_view;
mod instance_work;
mod instances;
mod listing;
pub(super) mod making;
mod orders;
mod others;
mod replays;
mod updates;

use std::sync::Arc;

pub(super) use changes::intrude;

use super::shared::Shared;
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
