//! What a failed call means for the run. This is the one place that decides whether a call is worth another attempt.

use std::collections::HashMap;

use serde_json::Value;

use super::World;
use crate::engine::Cx;
use crate::oci::{Listing, OciError, Service};
use crate::run::{Failure, FailureKind};

/// The failure of a call made while `doing` something.
pub(super) fn of(doing: impl Into<String>, error: &OciError) -> Failure {
    let message = match statement(error) {
        Some(statement) => format!(
            "{error}; if it is there, this user may not do that to it, which takes `{statement}` in its compartment"
        ),
        None => error.to_string(),
    };
    Failure {
        kind: kind(error),
        doing: doing.into(),
        message,
        request_id: error.request_id().map(ToOwned::to_owned),
    }
}

/// The policy statement that may be missing when the cloud answers 404, which means "not there" as well as "not allowed"
/// (docs/oci.md 2.7). The README lists them all.
const fn statement(error: &OciError) -> Option<&'static str> {
    let OciError::Service { status: 404, service, .. } = error else { return None };
    match service {
        Service::ContainerInstances => Some("manage compute-container-family"),
        Service::LoadBalancer => Some("use load-balancers"),
        Service::VirtualNetwork => Some("use virtual-network-family"),
        Service::Identity
        | Service::Vaults
        | Service::FileStorage
        | Service::Auth
        | Service::InstanceMetadata => None,
    }
}

/// Makes one read and retries it if that is worth another attempt. The caller judges the other errors.
pub(super) async fn look<T: Send, R>(
    cx: &Cx<'_, World>,
    doing: &str,
    mut read: impl FnMut() -> R + Send,
) -> Result<Result<T, OciError>, Failure>
where
    R: Future<Output = Result<T, OciError>> + Send,
{
    cx.look(|| {
        let reading = read();
        async move {
            match reading.await {
                Ok(answer) => Ok(Ok(answer)),
                Err(error) => match kind(&error) {
                    FailureKind::Permanent | FailureKind::Missing => Ok(Err(error)),
                    FailureKind::Transient { .. }
                    | FailureKind::Blocked
                    | FailureKind::TakenOver
                    | FailureKind::Held { .. }
                    | FailureKind::Gate
                    | FailureKind::Paused
                    | FailureKind::Ours => Err(of(doing, &error)),
                },
            }
        }
    })
    .await
}

/// Reads something that was there before: a 404 is retried as well.
pub(super) async fn must_look<T: Send, R>(
    cx: &Cx<'_, World>,
    doing: &str,
    mut read: impl FnMut() -> R + Send,
) -> Result<T, Failure>
where
    R: Future<Output = Result<T, OciError>> + Send,
{
    cx.look(|| {
        let reading = read();
        async move { reading.await.map_err(|error| of(doing, &error)) }
    })
    .await
}

/// Reads something that was there before. `None` if `is_gone` confirms after a 404 that it is gone.
pub(super) async fn look_unless<T: Send, R, G>(
    cx: &Cx<'_, World>,
    doing: &str,
    mut read: impl FnMut() -> R + Send,
    is_gone: impl Fn() -> G + Send + Sync,
) -> Result<Option<T>, Failure>
where
    R: Future<Output = Result<T, OciError>> + Send,
    G: Future<Output = Result<bool, Failure>> + Send,
{
    let is_gone = &is_gone;
    cx.look(|| {
        let reading = read();
        async move {
            match reading.await {
                Ok(answer) => Ok(Some(answer)),
                Err(error) if error.is_not_found() && Box::pin(is_gone()).await? => Ok(None),
                Err(error) => Err(of(doing, &error)),
            }
        }
    })
    .await
}

/// Reads a list to its end, each page by itself.
pub(super) async fn look_all<T: Send + Sync>(
    cx: &Cx<'_, World>,
    doing: &str,
    mut listing: Listing<'_, T>,
) -> Result<Result<Vec<T>, OciError>, Failure> {
    loop {
        match look(cx, doing, || listing.page()).await? {
            Err(error) => return Ok(Err(error)),
            Ok(page) => {
                if !listing.add(page) {
                    return Ok(Ok(listing.into_items()));
                }
            }
        }
    }
}

/// Reads a list of something that was there before: a 404 is retried as well.
pub(super) async fn must_look_all<T: Send + Sync>(
    cx: &Cx<'_, World>,
    doing: &str,
    mut listing: Listing<'_, T>,
) -> Result<Vec<T>, Failure> {
    loop {
        let page = must_look(cx, doing, || listing.page()).await?;
        if !listing.add(page) {
            return Ok(listing.into_items());
        }
    }
}

/// Reads a list of something that the user named, perhaps wrongly: a 404 is final.
pub(super) async fn look_all_named<T: Send + Sync>(
    cx: &Cx<'_, World>,
    doing: &str,
    listing: Listing<'_, T>,
) -> Result<Vec<T>, Failure> {
    look_all(cx, doing, listing).await?.map_err(|error| of_named(doing, &error))
}

/// The failure of a call for something that the user named. If it does not exist, a retry does not help.
pub(super) fn of_named(doing: &str, error: &OciError) -> Failure {
    let failure = of(doing, error);
    if error.is_not_found() { Failure { kind: FailureKind::Permanent, ..failure } } else { failure }
}

/// The resources of a compartment that the user named, each once. A resource that moves to the next page while the list is
/// read is listed twice; then the last reading counts.
pub(super) async fn list_named(
    cx: &Cx<'_, World>,
    doing: &str,
    listing: Listing<'_, Value>,
) -> Result<Vec<Value>, Failure> {
    Ok(each_once(look_all_named(cx, doing, listing).await?))
}

fn each_once(listed: Vec<Value>) -> Vec<Value> {
    let mut resources: Vec<Value> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for resource in listed {
        let Some(id) = resource["id"].as_str().map(ToOwned::to_owned) else { continue };
        match places.get(&id) {
            Some(&place) => resources[place] = resource,
            None => {
                places.insert(id, resources.len());
                resources.push(resource);
            }
        }
    }
    resources
}

/// One attempt at a read whose answer only adds to a message; empty if there is no answer.
pub(super) async fn glance<T>(
    cx: &Cx<'_, World>,
    doing: &str,
    read: impl Future<Output = Result<T, OciError>>,
) -> Option<T> {
    if let Err(failure) = cx.assure_lease().await {
        tracing::debug!(doing, %failure, "not looked");
        return None;
    }
    read.await.inspect_err(|error| tracing::debug!(doing, %error, "nothing to be seen")).ok()
}

/// A 404 is final only for a create, which refers to what the user named. All other calls are about things that were there
/// (docs/oci.md 2.7).
///
/// docs/oci.md 3.2 to 3.4; 409 Conflict and 412 are retried because each attempt reads before it writes (docs/oci.md 2.3).
fn kind(error: &OciError) -> FailureKind {
    let transient = FailureKind::Transient { retry_after: None };
    match error {
        _ if error.is_out_of_capacity() => FailureKind::Permanent,
        OciError::Transport { detail, .. } if is_about_certificates(detail) => FailureKind::Blocked,
        OciError::Transport { .. } => transient,
        OciError::Service { status, code, retry_after, operation, .. } => match (*status, code.as_deref()) {
            (429 | 500 | 502..=599, _) => FailureKind::Transient { retry_after: *retry_after },
            (409, Some("IncorrectState" | "Conflict" | "LockConflict")) | (412, _) => {
                FailureKind::Transient { retry_after: *retry_after }
            }
            (401, _) => FailureKind::Blocked,
            (404, _) if !operation.starts_with("Create") => FailureKind::Missing,
            _ => FailureKind::Permanent,
        },
        // This may be a gateway's HTML with status 200, or half a body.
        OciError::Decode { .. } => transient,
        // The outcome of the request is unknown.
        OciError::TooLarge { .. } | OciError::Redirect { .. } => FailureKind::Blocked,
        OciError::Pagination { .. } => FailureKind::Permanent,
    }
}

/// Whether a certificate does not verify. It will not verify next time either, and retries would look like a hang
/// (docs/oci.md 3.3).
fn is_about_certificates(detail: &str) -> bool {
    detail.to_ascii_lowercase().contains("certificate")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::TransportKind;
    use std::time::Duration;

    fn answered(status: u16, code: Option<&str>, message: &str) -> OciError {
        OciError::Service {
            service: Service::LoadBalancer,
            operation: "UpdateBackend",
            status,
            code: code.map(ToOwned::to_owned),
            message: message.to_owned(),
            request_id: "R".to_owned(),
            retry_after: Some(Duration::from_secs(3)),
            clock_skew: None,
        }
    }

    #[test]
    fn each_answer_is_worth_a_retry_or_not() {
        let transient = [
            answered(429, Some("TooManyRequests"), ""),
            answered(500, Some("InternalServerError"), "Internal Server Error"),
            answered(502, None, ""),
            answered(503, Some("ServiceUnavailable"), ""),
            answered(409, Some("IncorrectState"), ""),
            answered(409, Some("Conflict"), ""),
            answered(412, Some("NoEtagMatch"), ""),
        ];
        for error in transient {
            let expected = FailureKind::Transient { retry_after: Some(Duration::from_secs(3)) };
            assert_eq!(of("x", &error).kind, expected, "{error}");
        }
        let permanent = [
            answered(400, Some("LimitExceeded"), ""),
            answered(409, Some("InvalidatedRetryToken"), ""),
            answered(500, Some("InternalError"), "Out of host capacity."),
            answered(501, Some("MethodNotImplemented"), ""),
        ];
        for error in permanent {
            assert_eq!(of("x", &error).kind, FailureKind::Permanent, "{error}");
        }
    }

    #[test]
    fn what_is_not_to_be_seen_is_looked_for_again_unless_it_was_to_be_made() {
        let missing = |name: &'static str| {
            let mut error = answered(404, Some("NotAuthorizedOrNotFound"), "");
            if let OciError::Service { operation, .. } = &mut error {
                *operation = name;
            }
            error
        };
        for name in [
            "GetLoadBalancer",
            "ListWorkRequests",
            "UpdateBackend",
            "DeleteBackend",
            "StartContainerInstance",
        ] {
            assert_eq!(of("x", &missing(name)).kind, FailureKind::Missing, "{name}");
            let told = of("x", &missing(name)).message;
            assert!(told.contains("takes `use load-balancers` in its compartment"), "{told}");
            assert_eq!(of_named("x", &missing(name)).kind, FailureKind::Permanent, "{name}");
        }
        for name in ["CreateBackend", "CreateBackendSet", "CreateContainerInstance"] {
            assert_eq!(of("x", &missing(name)).kind, FailureKind::Permanent, "{name}");
        }
    }

    #[test]
    fn what_a_list_shows_twice_is_one() {
        let shown = |id: &str, state: &str| serde_json::json!({"id": id, "lifecycleState": state});
        let listed =
            vec![shown("a", "ACTIVE"), shown("b", "CREATING"), shown("b", "ACTIVE"), shown("c", "FAILED")];
        let expected = vec![shown("a", "ACTIVE"), shown("b", "ACTIVE"), shown("c", "FAILED")];
        assert_eq!(each_once(listed), expected);
    }

    #[test]
    fn what_says_nothing_about_the_request_is_no_refusal_of_it() {
        assert_eq!(of("x", &answered(401, Some("NotAuthenticated"), "")).kind, FailureKind::Blocked);
    }

    #[test]
    fn a_certificate_that_does_not_verify_is_not_retried() {
        let broken = |detail: &str| OciError::Transport {
            service: Service::LoadBalancer,
            operation: "GetLoadBalancer",
            url: "https://x".to_owned(),
            kind: TransportKind::Connect,
            detail: detail.to_owned(),
        };
        assert_eq!(of("x", &broken("invalid peer certificate: UnknownIssuer")).kind, FailureKind::Blocked);
        let refused = of("x", &broken("tcp connect error: Connection refused"));
        assert_eq!(refused.kind, FailureKind::Transient { retry_after: None });
    }
}
