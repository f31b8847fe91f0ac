//! Traffic through the load balancer during a test.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use deployctl::probe::{Findings, Load, probe};
use tokio_util::sync::CancellationToken;

/// Traffic that continues until it is stopped.
pub(crate) struct Traffic {
    stop: CancellationToken,
    thread: Option<JoinHandle<Findings>>,
}

impl Traffic {
    /// Starts 40 requests a second, every second one of 120 ms, so that two or three of those are always under way.
    pub(crate) fn start(front: SocketAddr) -> Self {
        Self::of(front, Duration::from_millis(120))
    }

    /// Like [`Self::start`], with slow requests of this duration.
    pub(crate) fn of(front: SocketAddr, slow: Duration) -> Self {
        let stop = CancellationToken::new();
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let load = Load { rate: 40, slow, slow_every: 2 };
            runtime.block_on(probe(front, load, until))
        });
        Self { stop, thread: Some(thread) }
    }

    /// Stops the traffic, and fails the test if a request was lost.
    #[track_caller]
    pub(crate) fn expect_no_loss(self) {
        let findings = self.stop();
        let (n_sent, failures) = (findings.n_sent, &findings.failures);
        assert_eq!(findings.n_failed(), 0, "requests dropped, of {n_sent}: {failures:?}");
    }

    /// Stops the traffic and returns the findings.
    pub(crate) fn stop(mut self) -> Findings {
        self.stop.cancel();
        self.thread.take().expect("it is stopped once").join().expect("the prober does not panic")
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
