//! The table at the end of the demo.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::cli::ui::duration;
use crate::probe::Findings;
use crate::sandbox::Handle;

/// The results of the demo.
pub(super) struct Verdict {
    findings: Findings,
    took: Duration,
    /// Leftover resources, and events that should not have happened.
    leftovers: Vec<String>,
    n_calls: usize,
}

impl Verdict {
    pub(super) fn of(findings: Findings, sandbox: &Handle, took: Duration) -> Self {
        let (audit, state) = (sandbox.audit(), sandbox.state());
        let texts = |value: &Value| -> Vec<String> {
            value
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned))
                .collect()
        };
        let mut leftovers: Vec<String> = Vec::new();
        leftovers.extend(texts(&audit["orphans"]).into_iter().map(|id| format!("orphan {id}")));
        leftovers.extend(texts(&audit["violations"]));
        leftovers
            .extend(texts(&audit["strangersTouched"]).into_iter().map(|what| format!("touched: {what}")));
        let serving: Vec<&str> = state["instances"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|instance| {
                instance["displayName"] == "webserver" && instance["lifecycleState"] != "DELETED"
            })
            .filter_map(|instance| instance["version"].as_str())
            .collect();
        if serving != ["1"] {
            leftovers
                .push(format!("web servers of versions {} instead of one of version 1", serving.join(", ")));
        }
        let backends =
            state["loadBalancers"][0]["backendSets"]["http"]["backends"].as_array().map_or(0, Vec::len);
        if backends != 1 {
            leftovers.push(format!("{backends} backends instead of 1"));
        }
        let n_calls = audit["entries"].as_array().map_or(0, Vec::len);
        Self { findings, took, leftovers, n_calls }
    }

    pub(super) fn is_good(&self) -> bool {
        let has_both = ["1", "2"].iter().all(|version| self.findings.versions.contains_key(*version));
        self.findings.n_failed() == 0 && self.findings.n_sent > 0 && self.leftovers.is_empty() && has_both
    }

    pub(super) fn json(&self) -> Value {
        let findings = &self.findings;
        let versions: serde_json::Map<String, Value> = findings
            .versions
            .iter()
            .map(|(version, seen)| {
                let times = json!({"first_s": seen.first.as_secs_f64(), "last_s": seen.last.as_secs_f64(), "requests": seen.n});
                (version.clone(), times)
            })
            .collect();
        json!({
            "ok": self.is_good(), "sent": findings.n_sent, "failed": findings.n_failed(), "failures": findings.failures,
            "worst_ms": millis(findings.latency.max()), "p99_ms": millis(findings.latency.value_at_quantile(0.99)),
            "versions": versions, "leftovers": self.leftovers, "api_calls": self.n_calls,
            "took_s": self.took.as_secs_f64(),
        })
    }

    pub(super) fn table(&self) -> String {
        let findings = &self.findings;
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.add_row(["requests sent", &findings.n_sent.to_string()]);
        table.add_row(["requests failed", &findings.n_failed().to_string()]);
        for (how, n) in &findings.failures {
            table.add_row([format!("  {how}"), n.to_string()]);
        }
        table.add_row([
            "latency, p99",
            &format!("{:.1} ms", millis(findings.latency.value_at_quantile(0.99))),
        ]);
        table.add_row(["latency, worst", &format!("{:.1} ms", millis(findings.latency.max()))]);
        for (version, seen) in &findings.versions {
            let when =
                format!("from {} to {}, {} requests", duration(seen.first), duration(seen.last), seen.n);
            table.add_row([format!("version {version} seen"), when]);
        }
        table.add_row(["calls of the API", &self.n_calls.to_string()]);
        table.add_row(["leftovers in the cloud", if self.leftovers.is_empty() { "none" } else { "" }]);
        for leftover in &self.leftovers {
            table.add_row(["  !", leftover]);
        }
        table.add_row(["took", &duration(self.took)]);
        table.trim_fmt()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a minute of microseconds is far below 2^52")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
