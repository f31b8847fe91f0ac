"""The official CLI against the sandbox, unchanged. Usage: cli.py URL, with HOME holding .oci/config."""

import json
import sys
import urllib.request

from official import oci

url = sys.argv[1]
state = json.load(urllib.request.urlopen(f"{url}/sandbox/state"))
balancer = state["seed"]["loadBalancerId"]
quick = ["--wait-for-state", "SUCCEEDED", "--wait-interval-seconds", "1"]


def run(*args, expect=0, as_json=True):
    done = oci("--endpoint", url, *args)
    assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    # The progress of a wait goes to stderr, and only the result goes to stdout.
    return json.loads(done.stdout) if as_json and done.stdout.strip() else done


specification = {
    "displayName": "from-the-cli",
    "compartmentId": state["compartmentId"],
    "availabilityDomain": state["availabilityDomain"],
    "shape": "CI.Standard.E4.Flex",
    "shapeConfig": {"ocpus": 1, "memoryInGBs": 2},
    "vnics": [{"subnetId": state["subnetId"]}],
    "containers": [{"imageUrl": "nginx:1.27"}],
}
with open("ci.json", "w") as file:
    json.dump(specification, file)
run("container-instances", "container-instance", "create", "--from-json", "file://ci.json", *quick)
listed = run("container-instances", "container-instance", "list", "-c", state["compartmentId"], "--all")
made = next(one for one in listed["data"]["items"] if one["display-name"] == "from-the-cli")
instance = run("container-instances", "container-instance", "get", "--container-instance-id", made["id"])["data"]
container = instance["containers"][0]["container-id"]
run("container-instances", "container", "retrieve-logs", "--container-id", container, "--file", "-", as_json=False)
vnic = run("network", "vnic", "get", "--vnic-id", instance["vnics"][0]["vnic-id"])["data"]
address = vnic["private-ip"]
place = ["--load-balancer-id", balancer, "--backend-set-name", "http"]
run("lb", "backend", "create", *place, "--ip-address", address, "--port", "80", "--drain", "true", *quick)
health = run("lb", "backend-health", "get", *place, "--backend-name", f"{address}:80")["data"]
assert health["status"] in ("UNKNOWN", "OK", "CRITICAL"), health
total = run("lb", "backend-set-health", "get", *place)["data"]["total-backend-count"]
assert total == 2, total
run("lb", "backend", "delete", *place, "--backend-name", f"{address}:80", "--force", *quick)
run("container-instances", "container-instance", "delete", "--container-instance-id", made["id"], "--force", *quick)
run("network", "private-ip", "list", "--vnic-id", instance["vnics"][0]["vnic-id"])
run("iam", "availability-domain", "list", "--compartment-id", state["compartmentId"])
run("lb", "load-balancer", "get", "--load-balancer-id", "ocid1.loadbalancer.oc1..none", expect=1, as_json=False)
print("ok")
