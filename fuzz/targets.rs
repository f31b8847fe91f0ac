//! The fuzz targets: everything that reads texts which others have written. A target must not panic, hang or read without
//! end, whatever the input. It returns whether it accepted the input. No input has to be accepted.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use deployctl::clock::Clock;
use deployctl::config::{Overrides, Sources, load};
use deployctl::env::Env;
use deployctl::oci::identity::{Identity, Profile, RcFile, check_public_key, read_key};
use deployctl::oci::{
    BackendName, Endpoint, Endpoints, Http, InstanceId, LoadBalancerId, Oci, Reference, Regions, Transport,
    WorkRequestId,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A key whose signatures cost little.
const KEY: &str = include_str!("../tests/harness/short_key.pem");
const FINGERPRINT: &str = "7d:60:b4:00:0a:28:15:b9:2b:7c:ed:28:09:76:66:42";
/// The longest request that we send.
const REQUEST_LIMIT: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);

/// The resources of the targets: a folder for files, and a server that answers as it is told.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    env: Env,
    runtime: tokio::runtime::Runtime,
    server: TcpListener,
    oci: Oci,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", server.local_addr().expect("an address"));
        let identity = Identity::api_key("tenancy", "user", FINGERPRINT, &KEY.to_owned().into(), None);
        let http = Http::new(TIMEOUT, None, Clock::system()).expect("connections");
        let endpoint = Endpoint::parse(&url, true).expect("an endpoint");
        let transport = Transport::new(http, Endpoints::One(endpoint), identity.expect("a key"));
        let variables = [("TAG", "2.4"), ("PORT", "80"), ("SECRET", "hunter2-planted")];
        let env = Env::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            env,
            runtime,
            server,
            oci: Oci::new(transport),
        }
    }

    /// A deployment in EDN, with Aero's tags.
    pub(crate) fn edn(&self, input: &[u8]) -> bool {
        self.deployment("web.edn", input)
    }

    /// The `deps.edn` of a project, with a deployment in an alias.
    pub(crate) fn deps(&self, input: &[u8]) -> bool {
        self.deployment("deps.edn", input)
    }

    pub(crate) fn yaml(&self, input: &[u8]) -> bool {
        self.deployment("web.yaml", input)
    }

    pub(crate) fn json(&self, input: &[u8]) -> bool {
        self.deployment("web.json", input)
    }

    fn deployment(&self, name: &str, input: &[u8]) -> bool {
        let file = self.write(name, input);
        let alias = ["deploy".to_owned()];
        let loaded = load(&Sources {
            deployment: Some(&file),
            aliases: if name == "deps.edn" { &alias } else { &[] },
            flags: Overrides::default(),
            profile: "default",
            env: &self.env,
            allows_unknown_fields: false,
        });
        match loaded {
            Ok(loaded) => loaded.deployment.masked().is_object(),
            Err(problems) => {
                assert!(!problems.to_string().is_empty(), "what is refused says why");
                false
            }
        }
    }

    /// `~/.oci/config`, and `oci_cli_rc`.
    pub(crate) fn ini(&self, input: &[u8]) -> bool {
        let file = self.write("config", input);
        let profiles = ["DEFAULT", "other"].map(|name| Profile::read(&file, name, Some(self.folder.path())));
        let mut is_right = false;
        for profile in profiles.into_iter().flatten() {
            let is_known =
                profile.region(&Regions::new(None, None, None)).is_ok_and(|region| region.is_some());
            let can_sign = profile.api_key().is_ok() || profile.session(Clock::system()).is_ok();
            is_right |= is_known || can_sign;
        }
        let defaults = RcFile::find(file.to_str(), None).map(|rc| {
            let profile = rc.default_profile().unwrap_or("DEFAULT");
            rc.defaults(profile, &|name| (name != "UNSET").then(|| name.repeat(2)))
        });
        is_right || defaults.is_ok_and(|defaults| !defaults.is_empty())
    }

    /// A private key, with and without its pass phrase, or a public key.
    pub(crate) fn pem(&self, input: &[u8]) -> bool {
        let Ok(text) = str::from_utf8(input) else { return false };
        let pass_phrase = "open sesame".to_owned().into();
        let is_read = [None, Some(&pass_phrase)].map(|pass_phrase| read_key(text, pass_phrase).is_ok());
        is_read.contains(&true) || check_public_key(text).is_ok()
    }

    /// The answer to a call of the cloud, byte by byte. The first byte chooses the call.
    pub(crate) fn answer(&self, input: &[u8]) -> bool {
        let Some((which, answer)) = input.split_first() else { return false };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                is_well = self.call(*which) => is_well,
                () = self.serve(answer) => false,
            }
        })
    }

    async fn call(&self, which: u8) -> bool {
        let oci = &self.oci;
        let (instances, balancers, network) =
            (oci.container_instances(), oci.load_balancers(), oci.network());
        let instance = InstanceId::from("ocid1.instance");
        let balancer = LoadBalancerId::from("ocid1.balancer");
        let work = WorkRequestId::from("ocid1.work");
        match which % 14 {
            0 => instances.get(&instance).await.is_ok(),
            1 => instances.list("ocid1.compartment").turn().await.is_ok(),
            2 => instances.shapes("ocid1.compartment", "AD-1").turn().await.is_ok(),
            3 => instances.container("ocid1.container").await.is_ok(),
            4 => instances.logs("ocid1.container", false).await.is_ok(),
            5 => instances.work_errors(&work).turn().await.is_ok(),
            6 => balancers.get(&balancer).await.is_ok(),
            7 => balancers.list("ocid1.compartment").turn().await.is_ok(),
            8 => balancers.work_request(&work).await.is_ok(),
            9 => balancers.backend_health(&balancer, "http", &BackendName::of("10.0.0.1", 80)).await.is_ok(),
            10 => network.vnic("ocid1.vnic").await.is_ok(),
            11 => network.private_ips("ocid1.subnet").turn().await.is_ok(),
            12 => oci.references().get(Reference::Subnet, "ocid1.subnet").await.is_ok(),
            _ => {
                let mut pages = balancers.work_requests(&balancer);
                // The reader itself gives up on an endless list.
                while pages.turn().await.unwrap_or(false) {}
                !pages.into_items().is_empty()
            }
        }
    }

    /// Gives every request the same answer, and then closes the connection.
    async fn serve(&self, answer: &[u8]) {
        loop {
            let Ok((mut stream, _)) = self.server.accept().await else { return };
            if read_request(&mut stream).await.is_some() && stream.write_all(answer).await.is_ok() {
                // A client that has read enough has closed the connection.
                drop(stream.shutdown().await);
            }
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, bytes).expect("written");
        file
    }
}

/// Reads the head of a request. The requests here have no body.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_LIMIT {
        (stream.read_buf(&mut request).await.ok()? > 0).then_some(())?;
    }
    Some(())
}
