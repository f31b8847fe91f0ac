//! The sandbox's verifier accepts what our signer signs. The two implementations share no line.

use deployctl::clock::Clock;
use deployctl::oci::identity::Identity;
use deployctl::oci::{Call, Endpoint, Endpoints, Http, Method, Oci, Service, Transport};
use deployctl::sandbox::{Options, Sandbox, Seed};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use std::time::Duration;

/// Path segments as a caller encodes them, query values as they are, and a body.
fn any_call() -> impl Strategy<Value = Call> {
    let segment = proptest::collection::vec(any::<u8>(), 1..12)
        .prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat());
    let plain = "[A-Za-z0-9_.~!$&'()*+,;=:@-]{1,12}";
    let path = proptest::collection::vec(prop_oneof![segment, plain.prop_map(String::from)], 0..5);
    let query = proptest::collection::vec(any::<String>(), 0..4);
    let body = proptest::option::of(any::<String>());
    let method = prop_oneof![Just(Method::Get), Just(Method::Post), Just(Method::Put), Just(Method::Delete)];
    (method, path, query, body).prop_map(|(method, path, query, body)| Call {
        service: Service::LoadBalancer,
        operation: "Anything",
        method,
        path: path.iter().map(|segment| format!("/{segment}")).collect::<Vec<_>>().concat(),
        query: query.into_iter().map(|value| ("name", value)).collect(),
        body: body.map(Value::String),
        retry_token: None,
        if_match: None,
    })
}

#[test]
fn what_is_signed_is_accepted_whatever_the_path_the_query_and_the_body() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (sandbox, oci) = runtime.block_on(async {
        let options = Options { seed: Seed::Empty, ..Options::default() };
        let sandbox = Sandbox::start(options).await.expect("it starts");
        let user = sandbox.identity();
        let key = user.private_key_pem.to_owned().into();
        let identity = Identity::api_key(&user.tenancy, &user.user, &user.fingerprint, &key, None);
        let http = Http::new(Duration::from_secs(30), None, Clock::system()).expect("TLS");
        let endpoints = Endpoints::One(Endpoint::parse(&sandbox.url(), false).expect("a URL"));
        (sandbox, Oci::new(Transport::new(http, endpoints, identity.expect("a key"))))
    });
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    runner
        .run(&any_call(), |call| {
            let error = runtime.block_on(oci.send(&call)).err();
            let status = error.as_ref().and_then(deployctl::oci::OciError::status);
            // There is nothing at these paths, and the sandbox says so only to a client that it knows.
            prop_assert!(matches!(status, None | Some(400 | 404 | 405)), "{error:?}");
            prop_assert!(error.is_none() || status.is_some(), "{error:?}");
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    runtime.block_on(sandbox.stop());
}
