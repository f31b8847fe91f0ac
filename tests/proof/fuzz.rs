//! Texts that others have written are read without a panic, a hang or running out of memory: files and answers of the cloud,
//! each with a few edits. `fuzz/targets.rs` lists the readers, and `fuzz/run` gives the same targets to libFuzzer, which is
//! guided by the code that an input covers.

use std::fs;
use std::path::Path;

#[path = "fuzz/edits.rs"]
mod edits;
#[path = "../../fuzz/targets.rs"]
mod targets;

use edits::fuzz;
use targets::Ground;

/// The number of inputs per target.
const N_CASES: u32 = if crate::IS_WHOLE { 15_000 } else { 1_000 };
/// The number of inputs for targets that cost more: a signature and a connection, or a key.
const N_COSTLY: u32 = N_CASES / 10;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The contents of a folder's files.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| fs::read(path).expect("a file")).collect()
}

const EDN: &str = r#"{:ci-config {:display-name "webserver" :availability-domain "AD-1" :compartment-id "ocid1.compartment.oc1..a"
 :shape "CI.Standard.A1.Flex" :shape-config {:ocpus 1 :memory-in-g-bs 1.5M} :vnics [{:subnet-id "ocid1.subnet.oc1..a"}]
 :freeform-tags {"env" #profile {:default "prod" :test "t"}}
 :containers [{:display-name "apache" :image-url #join ["docker.io/httpd:" #or [#env TAG "2.4"]] ; a comment
  :environment-variables {"A" #ref [:ci-config :shape] "B" #to-b64 "plain" "E" #file "web.edn" "C" #envf ["%s-%s" TAG PORT] "D" #env SECRET}}]}
 :ci-filter #merge [{:display-name "webserver"} {:lifecycle-state "ACTIVE"}] :lb-filter {:freeform-tags {"env" "prod"}}
 :backends [{:port #long #env PORT :backend-set "http" :create {:policy "ROUND_ROBIN" :health-checker {:protocol "HTTP" :url-path "/"}}}]
 :drain-delay "10s" :retry {:max-elapsed "5m"} #_ignored :on-failure :rollback :x-all [\a \newline #{1 2} (1 2) #inst "2020-01-01"]}"#;

const EDN_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "#{",
    "\"",
    "\\",
    ";",
    "#_",
    "^",
    "'",
    "#",
    ":",
    "::",
    " ",
    "\n",
    ",",
    "nil",
    "true",
    "##NaN",
    "1e400",
    "-0",
    "0x7f",
    "1/0",
    "36rZZ",
    "99999999999999999999N",
    "1.5M",
    "\\u0041",
    "\\o377",
    "\u{feff}",
    "é",
    "#env TAG ",
    "#env X ",
    "#or ",
    "#join ",
    "#ref [:x] ",
    "#ref [:ci-config] ",
    "#include \"web.edn\" ",
    "#merge ",
    "#profile ",
    "#envf ",
    "#str ",
    "#long ",
    "#double ",
    "#keyword ",
    "#boolean ",
    "#read-edn \"#read-edn\" ",
    "#file \"web.edn\" ",
    "#to-b64 ",
    "#from-b64 ",
    "#to-edn ",
    "#from-edn ",
    "#meta-merge ",
    "#random ",
    "#privkey ",
    "#pubkey ",
    "#hostname {} ",
    "#user {} ",
    "#inst \"2020\" ",
    "#uuid \"a\" ",
    ":ci-config ",
    ":interpolate true ",
    "${TAG:-",
    "$${",
    "}",
    "\"${\"",
];

#[test]
fn deployments_in_edn() {
    fuzz(N_CASES, &texts(&[EDN, "{}", "#include \"web.edn\""]), EDN_WORDS, Ground::edn);
}

#[test]
fn deployments_in_a_deps_edn() {
    const DEPS: &str = r#"{:paths ["src"] :deps {a/b {:mvn/version "1.0"}} :aliases {:deploy {:exec-fn deploy/it :exec-args
 {:ci-config {:display-name "web" :availability-domain "AD-1" :compartment-id "ocid1.compartment.oc1..a"
  :shape "CI.Standard.A1.Flex" :shape-config {:ocpus 1 :memory-in-g-bs 1.5} :vnics [{:subnet-id "ocid1.subnet.oc1..a"}]
  :containers [{:image-url "httpd:2" :environment-variables {"A" "b"}}]}
  :ci-filter {:display-name "web"} :lb-filter {:display-name "lb"} :backends [{:port 80 :backend-set "http"}]}}
 :other {:exec-args {:name "x"}}}}"#;
    fuzz(N_CASES, &texts(&[DEPS]), EDN_WORDS, Ground::deps);
}

const JSON: &str = r#"{"interpolate": true, "ci-config": {"displayName": "web", "availability-domain": "AD-1", "compartment_id":
"ocid1.compartment.oc1..a", "shape": "CI.Standard.E4.Flex", "shape-config": {"ocpus": 1, "memory-in-g-bs": 2e0},
"vnics": [{"subnet-id": "ocid1.subnet.oc1.iad.a", "nsg-ids": []}], "freeform-tags": {"env": "prod"}, "defined-tags": {"a": {"b": 1}},
"containers": [{"image-url": "httpd:${TAG:-2}", "environment-variables": {"GREETING": "\u00e9 $${x} ${SECRET}"}}]},
"ci-filter": {"display-name": "web", "lifecycle-state": "ACTIVE"}, "lb-filter": {"freeform-tags": {"env": "prod"}},
"backends": [{"port": 80, "backend-set": "http"}], "drain-delay": "1m 30s", "min-ready": 0.5}"#;

#[test]
fn deployments_in_json() {
    const WORDS: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u0000",
        "\\ud800",
        "null",
        "true",
        "-",
        "1e999",
        "0.1",
        "01",
        "18446744073709551616",
        " ",
        "\n",
        "\u{feff}",
        "\u{2028}",
        "é",
        "${",
        "${TAG}",
        "${X:-",
        "}",
        "\"a\":",
        "\"ci-config\": ",
        "\"name\": ",
        "9999999999d",
        "\"\": ",
    ];
    fuzz(N_CASES, &texts(&[JSON, "{}", "[]"]), WORDS, Ground::json);
}

#[test]
fn deployments_in_yaml() {
    const YAML: &str = r#"interpolate: true
x-base: &base
  env: prod
ci-config:
  display-name: web
  availability-domain: AD-1
  compartment-id: ocid1.compartment.oc1..a
  shape: 'CI.Standard.E4.Flex'
  shape-config: {ocpus: 1, memory-in-g-bs: 1.5}
  freeform-tags: *base
  containers:
  - image-url: httpd:${TAG:-2.10}
    command: ["a", b, '0x1F', "\x41"]
    arguments:
    - |
      line
      other
  vnics: [{subnet-id: ocid1.subnet.oc1..a}]
x-all: [0x1F, 1_000, ~, .5, 2020-01-01]
x-text: >-
  folded
  text
lb-filter: {display-name: lb}
ci-filter: {display-name: web}
backends: [{port: 80, backend-set: http}]
# a comment
drain-delay: 10s
"#;
    const WORDS: &[&str] = &[
        "&a ",
        "*a",
        "*base",
        "<<: *base\n",
        "!!binary ",
        "!!str ",
        "!x ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "? ",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n\t",
        "|",
        ">",
        "|+9",
        "'",
        "\"",
        "\"\\x",
        "{",
        "}",
        "[",
        "]",
        ",",
        "#",
        "~",
        "null",
        "yes",
        ".nan",
        "1e999",
        "0o17",
        "2020-01-01",
        "${TAG}",
        "${X:-",
        "}",
        "\u{feff}",
        "\u{85}",
        "é",
        "a: &a [*a, *a]\n",
        "ci-config:\n",
    ];
    fuzz(N_CASES, &texts(&[YAML, JSON, "a: &a [1]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"]), WORDS, Ground::yaml);
}

#[test]
fn profiles_of_the_official_cli() {
    const CONFIG: &str = "# a comment\n[DEFAULT]\nuser=ocid1.user.oc1..a\nfingerprint=aa:bb\ntenancy = ocid1.tenancy.oc1..a\n\
        region=eu-frankfurt-1\nkey_file=~/key.pem\npass_phrase=%(user)s ; not one\nsecurity_token_file=token\n\n[other]\nregion: phx\n  \
        more\nendpoint=https://h\n[OCI_CLI_SETTINGS]\ndefault_profile=other\nauth=$AUTH ${UNSET} $$ ${\n";
    const WORDS: &[&str] = &[
        "[",
        "]",
        "[DEFAULT]\n",
        "[other]\n",
        "=",
        ":",
        "\n",
        "\n ",
        "\r\n",
        "#",
        ";",
        "%",
        "%(user)s",
        "%(a)s",
        "$",
        "${",
        "}",
        "$A",
        " ",
        "\t",
        "\u{feff}",
        "é",
        "\0",
        "key_content=",
        "key_file=config\n",
        "region=",
        "~",
        "~/",
        "ocid1.",
        "user=",
        "\u{2028}",
    ];
    fuzz(N_CASES, &texts(&[CONFIG, ""]), WORDS, Ground::ini);
}

#[test]
fn keys_in_pem() {
    const WORDS: &[&str] = &[
        "-----BEGIN RSA PRIVATE KEY-----\n",
        "-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----",
        "Proc-Type: 4,ENCRYPTED\n",
        "DEK-Info: AES-256-CBC,00",
        "DEK-Info: DES-EDE3-CBC,0011223344556677\n",
        "\n",
        "\r\n",
        "\n\n",
        "=",
        "==",
        "A",
        "MII",
        "////",
        "é",
        " ",
        ",",
    ];
    let keys =
        [files("src/oci/identity/testdata"), texts(&[include_str!("../harness/short_key.pem")])].concat();
    fuzz(N_COSTLY, &keys, WORDS, Ground::pem);
}

#[test]
fn answers_of_the_cloud() {
    const HEAD: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nopc-request-id: AB/12\r\netag: 7\r\n";
    const BODY: &str = r#"{"id": "ocid1.a.oc1..b", "displayName": "web", "lifecycleState": "ACTIVE", "items": [{"id": "a",
"lifecycleState": "SUCCEEDED"}], "containers": [{"containerId": "c"}], "vnics": [{"vnicId": "v"}], "status": "OK", "errorDetails":
[{"errorCode": "A", "message": "b"}], "backendSets": {"http": {"policy": "ROUND_ROBIN", "healthChecker": {"protocol": "HTTP",
"intervalInMillis": 10000}, "backends": [{"name": "10.0.0.1:80", "ipAddress": "10.0.0.1", "port": 80, "drain": false}]}},
"ipAddresses": [{"ipAddress": "1.2.3.4"}], "privateIp": "10.0.0.2", "freeformTags": {"a": "b"}, "name": "AD-1"}"#;
    const WORDS: &[&str] = &[
        "\r\n",
        "\r\n\r\n",
        "HTTP/1.1 ",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "204 No Content",
        "429 Too Many",
        "401 No",
        "302 Found",
        "409 ",
        "opc-next-page: a\r\n",
        "opc-work-request-id: w\r\n",
        "Retry-After: 1\r\n",
        "retry-after: -1\r\n",
        "retry-after: 99999999999999999999\r\n",
        "retry-after: Wed, 21 Oct 2115 07:28:00 GMT\r\n",
        "location: http://a\r\n",
        "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
        "content-length: 1\r\n",
        "content-length: 99999999999\r\n",
        "transfer-encoding: chunked\r\n",
        "5\r\n",
        "0\r\n\r\n",
        "content-encoding: gzip\r\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "null",
        "1e999",
        "-1",
        "\"code\": \"X\", \"message\": \"y\"",
        "\\ud800",
        "\0",
        "é",
        "\u{202e}",
        "[[[[[[[[[[",
    ];
    let mut seeds = Vec::new();
    for which in 0..14_u8 {
        for body in [BODY.to_owned(), format!("[{BODY}]")] {
            let answer = format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len());
            seeds.push([&[which][..], answer.as_bytes()].concat());
        }
        let refused = "HTTP/1.1 409 Conflict\r\n\r\n{\"code\": \"IncorrectState\", \"message\": \"not now\"}";
        seeds.push([&[which][..], refused.as_bytes()].concat());
        let paged = format!("{HEAD}opc-next-page: next\r\n\r\n[{BODY}]");
        seeds.push([&[which][..], paged.as_bytes()].concat());
    }
    fuzz(N_COSTLY, &seeds, WORDS, Ground::answer);
}
