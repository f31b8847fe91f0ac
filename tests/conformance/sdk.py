"""The official SDK against the sandbox, unchanged. Usage: sdk.py URL, with HOME holding .oci/config."""

import json
import sys
import tempfile
import urllib.request

import oci

url = sys.argv[1]
config = oci.config.from_file()
state = json.load(urllib.request.urlopen(f"{url}/sandbox/state"))
compartment, subnet = state["compartmentId"], state["subnetId"]
balancer = state["seed"]["loadBalancerId"]
retry = oci.retry.DEFAULT_RETRY_STRATEGY

instances = oci.container_instances.ContainerInstanceClient(config, service_endpoint=url)
balancers = oci.load_balancer.LoadBalancerClient(config, service_endpoint=url)
network = oci.core.VirtualNetworkClient(config, service_endpoint=url)
identity = oci.identity.IdentityClient(config, service_endpoint=url)


def details(name):
    models = oci.container_instances.models
    return models.CreateContainerInstanceDetails(
        display_name=name,
        compartment_id=compartment,
        availability_domain=state["availabilityDomain"],
        shape="CI.Standard.E4.Flex",
        shape_config=models.CreateContainerInstanceShapeConfigDetails(ocpus=1, memory_in_gbs=2),
        vnics=[models.CreateContainerVnicDetails(subnet_id=subnet)],
        containers=[models.CreateContainerDetails(image_url="nginx:1.27", environment_variables={"A_B": "c"})],
        freeform_tags={"Env": "test"},
    )


def refused(status, code, call):
    try:
        call()
    except oci.exceptions.ServiceError as error:
        assert (error.status, error.code) == (status, code), error
        return error
    raise AssertionError(f"expected {status} {code}")


# Create, wait, get.
composite = oci.container_instances.ContainerInstanceClientCompositeOperations(instances)
waiting = {"max_interval_seconds": 1}
made = [instances.create_container_instance(details(f"sdk-{n}")) for n in range(4)]
for one in made:
    request = instances.get_work_request(one.headers["opc-work-request-id"])
    oci.wait_until(instances, request, "status", "SUCCEEDED", **waiting)
instance = instances.get_container_instance(made[0].data.id).data
assert instance.lifecycle_state == "ACTIVE", instance
assert instance.freeform_tags == {"Env": "test"}, instance
container = instances.get_container(instance.containers[0].container_id).data
assert container.environment_variables == {"A_B": "c"} and container.lifecycle_details == "CONTAINER_RUNNING"
waited = composite.create_container_instance_and_wait_for_state(details("sdk-waited"), ["SUCCEEDED"], waiter_kwargs=waiting)
assert waited.data.status == "SUCCEEDED", waited.data

# The same token returns the same instance. Another body with that token is refused.
first = instances.create_container_instance(details("twice"), opc_retry_token="token-1").data.id
again = instances.create_container_instance(details("twice"), opc_retry_token="token-1").data.id
assert first == again, (first, again)
refused(400, "InvalidParameter", lambda: instances.create_container_instance(details("other"), opc_retry_token="token-1"))

# Lists with small pages.
listed = oci.pagination.list_call_get_all_results(instances.list_container_instances, compartment, limit=2).data
names = [one.display_name for one in listed]
assert {"sdk-0", "sdk-3", "webserver", "bystander"} <= set(names) and len(names) == len(set(names)), names
one_page = instances.list_container_instances(compartment, limit=2)
assert len(one_page.data.items) == 2 and one_page.has_next_page

# Addresses.
vnic = network.get_vnic(instance.vnics[0].vnic_id).data
private = network.list_private_ips(vnic_id=vnic.id).data
assert [one.ip_address for one in private] == [vnic.private_ip], private
assert identity.list_availability_domains(compartment).data[0].name == state["availabilityDomain"]

# Backends: create, drain, health, delete, each waited for.
lb = oci.load_balancer.LoadBalancerClientCompositeOperations(balancers)
backend = oci.load_balancer.models.CreateBackendDetails(ip_address=vnic.private_ip, port=80, drain=True)
lb.create_backend_and_wait_for_state(backend, balancer, "http", ["SUCCEEDED"], waiter_kwargs=waiting)
name = f"{vnic.private_ip}:80"
assert balancers.get_backend(balancer, "http", name).data.drain is True
health = balancers.get_backend_health(balancer, "http", name)
oci.wait_until(balancers, health, "status", "OK", **waiting)
before = balancers.get_load_balancer(balancer).headers["etag"]
update = oci.load_balancer.models.UpdateBackendDetails(weight=3, backup=False, drain=False, offline=False)
lb.update_backend_and_wait_for_state(update, balancer, "http", name, ["SUCCEEDED"], waiter_kwargs=waiting)
changed = balancers.get_backend(balancer, "http", name).data
assert (changed.weight, changed.drain) == (3, False), changed
error = refused(412, "NoEtagMatch", lambda: balancers.delete_backend(balancer, "http", name, if_match=before))
assert error.request_id, error
set_health = balancers.get_backend_set_health(balancer, "http").data
assert set_health.total_backend_count == 2, set_health
drained = oci.load_balancer.models.UpdateBackendDetails(weight=3, backup=False, drain=True, offline=False)
lb.update_backend_and_wait_for_state(drained, balancer, "http", name, ["SUCCEEDED"], waiter_kwargs=waiting)
lb.delete_backend_and_wait_for_state(balancer, "http", name, ["SUCCEEDED"], waiter_kwargs=waiting)
refused(404, "NotAuthorizedOrNotFound", lambda: balancers.get_backend(balancer, "http", name))
kinds = [one.type for one in balancers.list_work_requests(balancer).data]
assert kinds[0] == "DeleteBackend", kinds

# A duplicate is accepted, and its work fails.
web = balancers.get_backend_set(balancer, "http").data.backends[0]
double = oci.load_balancer.models.CreateBackendDetails(ip_address=web.ip_address, port=web.port)
accepted = balancers.create_backend(double, balancer, "http")
request = balancers.get_work_request(accepted.headers["opc-work-request-id"])
failed = oci.wait_until(balancers, request, "lifecycle_state", "FAILED", **waiting).data
assert failed.error_details[0].error_code == "BAD_INPUT", failed

# Delete.
for one in [*made, waited]:
    identifier = one.data.resources[0].identifier if hasattr(one.data, "resources") else one.data.id
    instances.delete_container_instance(identifier)
instances.delete_container_instance(first)
gone = instances.get_container_instance(made[0].data.id)
oci.wait_until(instances, gone, "lifecycle_state", "DELETED", **waiting)
refused(409, "InvalidatedRetryToken", lambda: instances.create_container_instance(details("twice"), opc_retry_token="token-1"))

# The SDK retries a 429. A wrong key is refused.
fault = json.dumps({"method": "GET", "path": "/loadBalancers", "times": 1, "effect": "429"}).encode()
urllib.request.urlopen(urllib.request.Request(f"{url}/sandbox/faults", data=fault, method="POST"))
assert balancers.list_load_balancers(compartment, retry_strategy=retry).data[0].id == balancer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pem = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
with tempfile.NamedTemporaryFile(suffix=".pem") as file:
    file.write(pem)
    file.flush()
    stranger = oci.container_instances.ContainerInstanceClient({**config, "key_file": file.name}, service_endpoint=url)
    refused(401, "NotAuthenticated", lambda: stranger.list_container_instances(compartment))
print("ok")
