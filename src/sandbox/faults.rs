//! Faults on demand: which requests go wrong, and how.

use serde::{Deserialize, Serialize};

/// A rule; the first that applies to a request decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Only this method.
    #[serde(default)]
    pub(super) method: Option<String>,
    /// Only targets that contain this.
    #[serde(default)]
    pub(super) path: Option<String>,
    /// This many matching requests pass before the rule applies.
    #[serde(default)]
    pub(super) skip: u32,
    /// The rule applies this many times. If absent, always.
    #[serde(default)]
    pub(super) times: Option<u32>,
    /// The rule applies to this share of the matching requests.
    #[serde(default)]
    pub(super) probability: Option<f64>,
    /// Makes the share reproducible.
    #[serde(default)]
    pub(super) seed: u64,
    /// What happens.
    pub(super) effect: Fault,
    /// The cloud's message, if it sends one. `{authorization}` and `{opc-obo-token}` stand for those headers of the request.
    #[serde(default)]
    pub(super) message: Option<String>,
    /// A `Retry-After` header, in seconds.
    #[serde(default)]
    pub(super) retry_after: Option<u64>,
    /// The delay of `slow` and `late`.
    #[serde(default)]
    pub(super) delay_ms: u64,
    /// A rule that takes effect once this one has applied.
    #[serde(default)]
    pub(super) then: Option<Box<Rule>>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// Refused: the key or the token is not accepted.
    #[serde(rename = "401")]
    Unauthenticated,
    /// Refused: too many requests.
    #[serde(rename = "429")]
    TooMany,
    /// Refused: the service's own fault.
    #[serde(rename = "500")]
    Internal,
    /// Refused by a gateway.
    #[serde(rename = "502")]
    BadGateway,
    /// Refused: unavailable.
    #[serde(rename = "503")]
    Unavailable,
    /// The connection ends before the request is carried out.
    #[serde(rename = "reset-before")]
    ResetBefore,
    /// The request is carried out and the connection ends before the answer.
    #[serde(rename = "reset-after")]
    ResetAfter,
    /// Carried out after a delay.
    #[serde(rename = "slow")]
    Slow,
    /// Carried out, and the answer's body breaks off.
    #[serde(rename = "truncate")]
    Truncate,
    /// A gateway sends an HTML page instead of JSON.
    #[serde(rename = "html")]
    Html,
    /// The connection ends at once, and the request is carried out after a delay.
    #[serde(rename = "late")]
    Late,
    /// Carried out twice, as if a gateway repeats it. The second answer is sent.
    #[serde(rename = "twice")]
    Twice,
    /// Another client adds a backend to the set just before the request.
    #[serde(rename = "other-client")]
    OtherClient,
    /// Another client's new backend is accepted just before the request, and waits for its turn.
    #[serde(rename = "other-client-waiting")]
    OtherClientWaiting,
    /// A read shows the state before the last change.
    #[serde(rename = "stale-read")]
    StaleRead,
    /// There is no capacity left.
    #[serde(rename = "capacity")]
    Capacity,
    /// Accepted, but the work fails.
    #[serde(rename = "work-request-failed")]
    WorkFails,
    /// Refused as not found.
    #[serde(rename = "not-found")]
    NotFound,
    /// Refused because the resource is busy.
    #[serde(rename = "conflict")]
    Conflict,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) rules: Vec<Rule>,
}

impl Rule {
    /// The rule's message about a request, or `otherwise`.
    pub(super) fn said(&self, headers: &hyper::HeaderMap, otherwise: &str) -> String {
        let Some(message) = &self.message else { return otherwise.to_owned() };
        ["authorization", "opc-obo-token"].iter().fold(message.clone(), |message, name| {
            let value = headers.get(*name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            message.replace(&format!("{{{name}}}"), value)
        })
    }
}

impl Faults {
    /// The rule that applies to this request, if there is one.
    pub(super) fn decide(&mut self, method: &str, target: &str) -> Option<Rule> {
        for rule in &mut self.rules {
            let matches = rule.method.as_ref().is_none_or(|wanted| wanted == method)
                && rule.path.as_ref().is_none_or(|wanted| target.contains(wanted.as_str()));
            if !matches || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.probability.is_some_and(|share| next_share(&mut rule.seed) >= share) {
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            let (decided, next) = (rule.clone(), rule.then.take());
            self.rules.extend(next.map(|next| *next));
            return Some(decided);
        }
        None
    }
}

/// The next number of a splitmix64 sequence, as a share between 0 and 1 (Steele, Lea, Flood, OOPSLA 2014).
fn next_share(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    f64::from(u32::try_from(z >> 32).unwrap_or(0)) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_applies_and_is_used_up() {
        let rule: Rule = serde_json::from_value(
            serde_json::json!({"method": "PUT", "path": "/backends/", "skip": 1, "times": 2, "effect": "429"}),
        )
        .expect("a rule");
        let mut faults = Faults { rules: vec![rule] };
        let decided: Vec<bool> = (0..5).map(|_| faults.decide("PUT", "/x/backends/y").is_some()).collect();
        assert_eq!(decided, [false, true, true, false, false]);
        assert!(faults.decide("GET", "/x/backends/y").is_none());
    }

    #[test]
    fn a_share_is_kept_and_reproduced() {
        let hits = |seed| {
            let mut seed = seed;
            (0..1000).filter(|_| next_share(&mut seed) < 0.2).count()
        };
        assert!((150..250).contains(&hits(7)), "{}", hits(7));
        assert_eq!(hits(7), hits(7));
    }
}
