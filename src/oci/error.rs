//! Why a call has no answer.
//!
//! Control characters are removed from the cloud's texts as soon as they arrive, so that no terminal escape leaves this
//! file.

use std::time::Duration;

use super::call::Service;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// No answer came. The request may or may not have been carried out.
    #[error("{service} {operation}: {kind} ({url}): {detail}")]
    Transport {
        /// The service.
        service: Service,
        /// The operation, by its name in the API.
        operation: &'static str,
        /// Where the request went.
        url: String,
        /// What broke.
        kind: TransportKind,
        /// The cause, as the library words it.
        detail: String,
    },
    /// An answer that is an error.
    #[error(
        "{service} {operation} answered {status} {}: {message}{} (opc-request-id {request_id})",
        code.as_deref().unwrap_or("without a code"), skew_hint(*clock_skew)
    )]
    Service {
        /// The service.
        service: Service,
        /// The operation.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// The error code; gateways send none.
        code: Option<String>,
        /// The message, or the beginning of a gateway's answer.
        message: String,
        /// The id of the request, for Oracle's support.
        request_id: String,
        /// How long the server asked us to wait.
        retry_after: Option<Duration>,
        /// The difference between our clock and the server's, if the server refused the signature because of it.
        clock_skew: Option<Duration>,
    },
    /// A success whose body is not what the API promises.
    #[error("{service} {operation}: the answer cannot be read: {detail} (opc-request-id {request_id})")]
    Decode {
        /// The service.
        service: Service,
        /// The operation.
        operation: &'static str,
        /// What is wrong with it, and where.
        detail: String,
        /// The id of the request, for Oracle's support.
        request_id: String,
    },
    /// An answer larger than anything the API sends.
    #[error("{service} {operation}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// The service.
        service: Service,
        /// The operation.
        operation: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A redirect, which is never followed: the signature is for one host only.
    #[error("{service} {operation}: the server redirects to `{location}`, which deployctl never follows")]
    Redirect {
        /// The service.
        service: Service,
        /// The operation.
        operation: &'static str,
        /// Where to.
        location: String,
    },
    /// A list that does not end.
    #[error("{service} {operation}: the list does not end: {detail}")]
    Pagination {
        /// The service.
        service: Service,
        /// The operation.
        operation: &'static str,
        /// Why we stopped.
        detail: String,
    },
}

/// The message of an answer that says there is no capacity left.
pub(super) const NO_CAPACITY: &str = "Out of host capacity";
/// The code of such an answer.
pub(super) const CAPACITY_CODE: &str = "OutOfHostCapacity";

/// What broke on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// No connection: the request cannot have been carried out.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection ended before the whole answer arrived.
    Broken,
    /// There is nothing to sign the request with. It was not sent.
    NotSignedIn,
}

impl std::fmt::Display for TransportKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "cannot connect",
            Self::Timeout => "no answer in time",
            Self::Broken => "the connection broke",
            Self::NotSignedIn => "not sent, for there is nothing to sign it with",
        })
    }
}

impl OciError {
    /// The HTTP status, when there was an answer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Service { status, .. } => Some(*status),
            Self::Transport { .. }
            | Self::Decode { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Pagination { .. } => None,
        }
    }

    /// The error code, when the server sent one. Case sensitive (docs/oci.md 3.2).
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Service { code, .. } => code.as_deref(),
            Self::Transport { .. }
            | Self::Decode { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Pagination { .. } => None,
        }
    }

    /// The id that Oracle's support asks for.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Service { request_id, .. } | Self::Decode { request_id, .. } => Some(request_id),
            Self::Transport { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Pagination { .. } => None,
        }
    }

    /// Whether the key or the token was refused. A refusal because of our clock does not count.
    pub(super) const fn is_not_authenticated(&self) -> bool {
        matches!(self, Self::Service { status: 401, clock_skew: None, .. })
    }

    /// Adds advice for the user to a refusal.
    pub(super) fn with_advice(mut self, advice: Option<&str>) -> Self {
        if let (Self::Service { message, .. }, Some(advice)) = (&mut self, advice) {
            message.push_str("; ");
            message.push_str(advice);
        }
        self
    }

    /// Whether the resource does not exist, or may not be seen.
    pub const fn is_not_found(&self) -> bool {
        matches!(self.status(), Some(404))
    }

    /// Whether the resource no longer has the version that was sent with a change.
    pub const fn is_stale(&self) -> bool {
        matches!(self.status(), Some(412))
    }

    /// Whether the cloud does not take the body of a request.
    pub const fn is_bad_request(&self) -> bool {
        matches!(self.status(), Some(400))
    }

    /// Whether the cloud has no capacity left. It answers 500 then, which looks worth a retry and is not
    /// (docs/oci.md 2.7).
    pub fn is_out_of_capacity(&self) -> bool {
        match self {
            Self::Service { message, code, .. } => {
                message.contains(NO_CAPACITY)
                    || matches!(code.as_deref(), Some(CAPACITY_CODE | "SeOutOfCapacity"))
            }
            Self::Transport { .. }
            | Self::Decode { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Pagination { .. } => false,
        }
    }
}

fn skew_hint(skew: Option<Duration>) -> String {
    skew.map_or_else(String::new, |skew| {
        format!("; this machine's clock is off by {} minutes: set it right", (skew.as_secs() + 30) / 60)
    })
}

/// A text of the cloud without control characters, which must not reach the terminal, and without characters that change
/// the direction of the text after them.
pub fn printable(text: &str) -> String {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// `text` as one line without control characters, at most `n_most` characters of it.
pub(super) fn clean(text: &str, n_most: usize) -> String {
    let kept: String = text.chars().take(n_most).collect();
    let mut clean = printable(&kept);
    if text.chars().nth(n_most).is_some() {
        clean.push('…');
    }
    clean.trim().to_owned()
}
