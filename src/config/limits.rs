//! Checks how the parts of an instance's specification fit together, which a table of fields cannot say: names that refer to
//! something, sums, and the limits of a shape (docs/oci.md 5 and 2.1).

use std::collections::HashSet;
use std::net::IpAddr;

use super::node::{Node, Tree};
use super::problem::Problem;
use super::schema::TAGS_LIMIT;

/// How many freeform tags this program adds to an instance.
const OUR_TAGS: usize = 4;
/// The most bytes of a container's arguments together, and of its environment (names and values).
const BYTES_LIMIT: usize = 64 * 1024;

/// The resources of a shape.
struct Shape {
    name: &'static str,
    most_ocpus: f64,
    most_memory: f64,
    /// The bounds of the memory per OCPU.
    memory_per_ocpu: Option<(f64, f64)>,
    vcpus_per_ocpu: Option<f64>,
}

const X86: Shape = Shape {
    name: "",
    most_ocpus: 64.0,
    most_memory: 1024.0,
    memory_per_ocpu: Some((1.0, 64.0)),
    vcpus_per_ocpu: Some(2.0),
};

/// The shapes with published limits. The limits of other shapes are unknown, so nothing is refused for them.
const SHAPES: [Shape; 3] = [
    Shape { name: "CI.Standard.E3.Flex", ..X86 },
    Shape { name: "CI.Standard.E4.Flex", ..X86 },
    Shape {
        name: "CI.Standard.A1.Flex",
        most_ocpus: 76.0,
        most_memory: 488.0,
        memory_per_ocpu: None,
        vcpus_per_ocpu: None,
    },
];

/// Checks a specification whose single fields are valid.
pub(super) fn check(instance: &Node, path: &str, problems: &mut Vec<Problem>) {
    Checker { problems }.instance(instance, path);
}

struct Checker<'p> {
    problems: &'p mut Vec<Problem>,
}

impl Checker<'_> {
    fn refuse(&mut self, node: &Node, path: &str, message: impl Into<String>) {
        self.problems.push(node.problem(path, message));
    }

    fn instance(&mut self, instance: &Node, path: &str) {
        if let Some(tags) = instance.get("freeformTags") {
            let (n, most) = (tags.entries().len(), TAGS_LIMIT - OUR_TAGS);
            if n > most {
                let message = format!(
                    "has {n} tags, expected at most {most}: OCI takes {TAGS_LIMIT}, and deployctl adds {OUR_TAGS}"
                );
                self.refuse(tags, &format!("{path}.freeform-tags"), message);
            }
        }
        let shape = instance.get("shape").and_then(Node::text);
        let shape = SHAPES.iter().find(|known| Some(known.name) == shape);
        let config = instance.get("shapeConfig");
        let ocpus = config.and_then(|config| config.get("ocpus"));
        if let (Some(shape), Some(config), Some(ocpus)) = (shape, config, ocpus) {
            self.shape(shape, config, ocpus, &format!("{path}.shape-config"));
        }
        let volumes = instance.items_of("volumes");
        self.unique(volumes, "name", |n| format!("{path}.volumes[{n}].name"));
        for (n, volume) in volumes.iter().enumerate() {
            let path = format!("{path}.volumes[{n}]");
            self.files(volume.items_of("configs"), &path);
        }
        let servers = instance.get("dnsConfig").map(|dns| dns.items_of("nameservers")).unwrap_or_default();
        for (n, server) in servers.iter().enumerate() {
            if server.text().is_some_and(|text| text.parse::<IpAddr>().is_err()) {
                let message = format!("expected an IP address, found {}", server.quoted());
                self.refuse(server, &format!("{path}.dns-config.nameservers[{n}]"), message);
            }
        }
        let containers = instance.items_of("containers");
        let most_vcpus = match (shape.and_then(|shape| shape.vcpus_per_ocpu), ocpus.and_then(number)) {
            (Some(vcpus), Some(ocpus)) => Some(vcpus * ocpus),
            _ => None,
        };
        for (n, container) in containers.iter().enumerate() {
            let path = format!("{path}.containers[{n}]");
            self.container(container, &path, volumes, most_vcpus);
        }
    }

    fn files(&mut self, files: &[Node], path: &str) {
        self.unique(files, "fileName", |n| format!("{path}.configs[{n}].file-name"));
        for (n, file) in files.iter().enumerate() {
            let Some(place) = file.get("path") else { continue };
            if place
                .text()
                .is_some_and(|text| text.starts_with('/') || text.split('/').any(|part| part == ".."))
            {
                let message = format!("expected a path within the volume, found {}", place.quoted());
                self.refuse(place, &format!("{path}.configs[{n}].path"), message);
            }
        }
    }

    fn shape(&mut self, shape: &Shape, config: &Node, ocpus: &Node, path: &str) {
        let name = shape.name;
        let Some(n_ocpus) = number(ocpus) else { return };
        if n_ocpus > shape.most_ocpus {
            let message = format!("{} is more than the {} that {name} has", ocpus.quoted(), shape.most_ocpus);
            return self.refuse(ocpus, &format!("{path}.ocpus"), message);
        }
        let Some(memory) = config.get("memoryInGBs") else { return };
        let Some(gigabytes) = number(memory) else { return };
        let (least, most) = match shape.memory_per_ocpu {
            Some((least, most)) => (least * n_ocpus, shape.most_memory.min(most * n_ocpus)),
            None => (0.0, shape.most_memory),
        };
        if !(least..=most).contains(&gigabytes) {
            let message = format!(
                "{} is out of bounds: {name} with {} OCPUs takes {least} to {most}",
                memory.quoted(),
                ocpus.quoted()
            );
            self.refuse(memory, &format!("{path}.memory-in-gbs"), message);
        }
    }

    fn container(&mut self, container: &Node, path: &str, volumes: &[Node], most_vcpus: Option<f64>) {
        for (m, mount) in container.items_of("volumeMounts").iter().enumerate() {
            let Some(name) = mount.get("volumeName") else { continue };
            let is_there =
                volumes.iter().any(|volume| volume.get("name").and_then(Node::text) == name.text());
            if !is_there {
                let message = format!("there is no volume {}", name.quoted());
                self.refuse(name, &format!("{path}.volume-mounts[{m}].volume-name"), message);
            }
        }
        let length = |node: &Node| node.text().map_or(0, str::len);
        if let Some(arguments) = container.get("arguments") {
            let n = arguments.items().iter().map(length).sum();
            self.bytes(arguments, &format!("{path}.arguments"), n);
        }
        if let Some(variables) = container.get("environmentVariables") {
            let n = variables.entries().iter().map(|(name, value)| length(name) + length(value)).sum();
            self.bytes(variables, &format!("{path}.environment-variables"), n);
        }
        if let Some(security) = container.get("securityContext")
            && let Some(group) = security.get("runAsGroup")
            && security.get("runAsUser").is_none()
        {
            let path = format!("{path}.security-context.run-as-group");
            self.refuse(group, &path, "needs `run-as-user` beside it");
        }
        let limit = container.get("resourceConfig").and_then(|resources| resources.get("vcpusLimit"));
        if let (Some(limit), Some(most)) = (limit, most_vcpus)
            && number(limit).is_some_and(|vcpus| vcpus > most)
        {
            let message = format!("{} is more than the {most} of the instance", limit.quoted());
            self.refuse(limit, &format!("{path}.resource-config.vcpus-limit"), message);
        }
    }

    fn bytes(&mut self, node: &Node, path: &str, n: usize) {
        if n > BYTES_LIMIT {
            self.refuse(node, path, format!("has {n} bytes in all, expected at most {BYTES_LIMIT}"));
        }
    }

    fn unique(&mut self, items: &[Node], name: &str, path: impl Fn(usize) -> String) {
        let mut seen = HashSet::new();
        for (n, item) in items.iter().enumerate() {
            let Some(value) = item.get(name) else { continue };
            if !seen.insert(value.text()) {
                self.refuse(value, &path(n), format!("{} is there twice", value.quoted()));
            }
        }
    }
}

fn number(node: &Node) -> Option<f64> {
    match node.tree {
        Tree::Int(number) => i32::try_from(number).ok().map(f64::from),
        Tree::Float(number) => Some(number),
        _ => None,
    }
}
