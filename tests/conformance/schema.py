"""The JSON Schema of deployments: it is valid by its own standard, equal to the SDK's models field by field and word by
word, and accepts and refuses the same as deployctl. Usage: schema.py URL, with HOME as `--home` and DEPLOYCTL naming the binary."""

import copy
import json
import os
import re
import subprocess

import jsonschema
import oci.container_instances.models as instances
import oci.load_balancer.models as balancers

deployctl = os.environ["DEPLOYCTL"]
schema = json.loads(subprocess.run([deployctl, "schema"], capture_output=True, check=True, text=True).stdout)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

# Fields of the API that a deployment expresses in another way.
elsewhere = {"CreateBackendSetDetails": {"name", "backends"}}
objects = dict(schema["$defs"])
for definition in schema["$defs"].values():
    for variant in definition.get("oneOf", []):
        objects[variant["title"]] = variant
n_models = 0
for title, definition in objects.items():
    model = getattr(instances, title, None) or getattr(balancers, title, None)
    if model is None or "oneOf" in definition:
        continue
    n_models += 1
    fields = model().attribute_map
    properties = definition["properties"]
    named = {name for name in fields.values() if name in properties}
    missing = set(fields.values()) - named - elsewhere.get(title, set())
    assert not missing, f"{title} lacks {missing}"
    known = {re.sub("[-_]", "", name).lower() for name in fields.values()}
    more = {name for name in properties if re.sub("[-_]", "", name).lower() not in known}
    assert not more, f"{title} has {more}, which the SDK does not"
    for attribute, name in fields.items():
        prefix = attribute.upper() + "_"
        words = {value for constant, value in vars(model).items() if constant.startswith(prefix)}
        taken = set(properties.get(name, {}).get("enum", []))
        if taken and words:
            assert words == taken, f"{title}.{name} takes {taken}, the SDK {words}"
assert n_models >= 25, f"only {n_models} models were compared"


def judge(deployment):
    """Whether deployctl accepts it. The schema must agree."""
    with open("judged.json", "w") as file:
        json.dump(deployment, file)
    ran = subprocess.run([deployctl, "validate", "judged.json"], capture_output=True, text=True)
    assert ran.returncode in (0, 2), ran.stderr
    errors = [error.message for error in validator.iter_errors(deployment)]
    assert (ran.returncode == 0) == (not errors), f"{deployment}: {ran.stderr} {errors}"
    return ran.returncode == 0


def recased(value, case):
    if isinstance(value, list):
        return [recased(item, case) for item in value]
    if not isinstance(value, dict):
        return value
    own = {"freeform-tags", "environment-variables"}
    return {case(name): item if name in own else recased(item, case) for name, item in value.items()}


with open("web.json") as file:
    web = json.load(file)
assert judge(web)
assert judge(recased(web, lambda name: name.replace("-", "_")))
camel = {"memory-in-g-bs": "memoryInGBs"}
assert judge(recased(web, lambda name: camel.get(name) or re.sub("-(.)", lambda match: match[1].upper(), name)))
assert judge({**web, "x-mine": {"anything": 1}, "$schema": "deployctl.schema.json"})


def changed(*path, value=None):
    deployment = copy.deepcopy(web)
    place = deployment
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return deployment


config, container = "ci-config", ("ci-config", "containers", 0)
for right in [
    changed("drain-delay", value="1m 30s"),
    changed("drain-delay", value=2.5),
    changed("retry", value={"max-elapsed": "1h", "multiplier": 1.5}),
    changed("backends"),
    *[
        changed(name, value=value)
        for name in ("ci-filter", "lb-filter")
        for value in (
            {"displayName": "web"},
            {"freeform_tags": {"app": "api"}, "lifecycle-state": "ACTIVE"},
            {"defined-tags": {"Ops": {"Cost": 42}}},
            {"display-name": "web", "freeform-tags": {}},
        )
    ],
    changed("ci-filter", value={"shape-config": {"ocpus": 1, "memoryInGBs": 6.0}}),
    changed("lb-filter", value={"is-private": True}),
    *[changed("on-failure", value=word) for word in ("rollback", "halt")],
    *[changed("old-instance", value=word) for word in ("delete", "stop", "keep")],
    *[changed("register", value=word) for word in ("drained", "active")],
    changed(config, "volumes", value=[{"name": "v", "volume-type": "EMPTYDIR"}]),
    changed(*container, "health-checks", value=[{"health-check-type": "TCP", "port": 80}]),
    changed("backends", 0, "create", value={"policy": "IP_HASH", "health-checker": {"protocol": "TCP", "port": 0}}),
]:
    assert judge(right), right
for wrong in [
    changed("drain-dely", value="2s"),
    changed("drain-delay", value="soon"),
    changed("drain-delay", value=-1),
    changed("on-failure", value="panic"),
    changed("old-instance", value="drop"),
    changed("register", value="maybe"),
    changed("retry", value={"multiplier": 0.5}),
    changed("ci-filter", value={"lifecycle-state": "ACTVE"}),
    changed("ci-filter", value={}),
    {**web, "ci-filter": {"display-name": None}},
    *[
        changed(name, value=value)
        for name in ("ci-filter", "lb-filter")
        for value in (
            {"lifecycle-state": "ACTIVE"},
            {"freeform-tags": {}},
            {"freeform-tags": {"release": 2024}},
            {"freeform-tags": [{"app": "api"}]},
            {"freeform-tags": "app=api"},
            {"defined-tags": {}},
            {"defined-tags": {"Ops": {}}},
            {"defined-tags": {"Ops": "prod"}},
            {"display-name": 123},
            {"display-name": ["web", "api"]},
            {"compartment-id": "ocid1.compartment.oc1..a"},
        )
    ],
    changed("ci-filter", value={"shape-config": {}}),
    changed("ci-filter", value={"shape-config": {"ocpus": "1"}}),
    changed("ci-filter", value={"container-count": "1"}),
    changed("lb-filter", value={"is-private": "no"}),
    changed("backends", 0, "port", value=70000),
    changed("backends", 0, "backend-set"),
    changed("backends", 0, "create", value={"policy": "RANDOM", "health-checker": {"protocol": "TCP"}}),
    changed(config, "shape"),
    changed(config, "shape-config", "ocpus", value=0),
    changed(config, "vnics", value=[]),
    changed(config, "vnics", 0, "private-ip", value="10.0.0.3"),
    changed(config, "volumes", value=[{"name": "v", "volume-type": "NFS"}]),
    changed(config, "freeform-tags", value={"k": 1}),
    changed(*container, "image-url"),
    changed(*container, "image-ulr", value="x"),
    changed(*container, "health-checks", value=[{"health-check-type": "COMMAND", "command": ["x"]}]),
    changed(*container, "health-checks", value=[{"health-check-type": "TCP", "port": 0}]),
]:
    assert not judge(wrong), wrong
print("the schema, the SDK and deployctl agree")
