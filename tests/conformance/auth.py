"""Every way to sign in, by the official SDK and CLI, against the sandbox. Usage: auth.py URL, with HOME as `--home`."""

import json
import os
import sys
import urllib.request

import oci

url = sys.argv[1]
home = os.environ["HOME"]


def sandbox(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/sandbox/{path}", data=data, method="GET" if data is None else "POST")
    answer = urllib.request.urlopen(request).read()
    return json.loads(answer) if answer else None


def signers():
    return [entry["who"] for entry in sandbox("audit")["entries"] if entry["target"].startswith("/20210415")]


def refused(call):
    try:
        call()
    except oci.exceptions.ServiceError as error:
        assert (error.status, error.code) == (401, "NotAuthenticated"), error
        return
    raise AssertionError("expected a refusal")


compartment = sandbox("state")["compartmentId"]
with open(f"{home}/principals.env") as file:
    for line in file:
        name, value = line.removeprefix("export ").strip().split("=", 1)
        os.environ[name] = value
federation = os.environ["OCI_CLI_FEDERATION_ENDPOINT"]


def client(signer, config=None):
    return oci.container_instances.ContainerInstanceClient(config or {}, signer=signer, service_endpoint=url)


def works(signer, who, config=None):
    listed = client(signer, config).list_container_instances(compartment, limit=1)
    assert len(listed.data.items) == 1, listed.data
    # The body is signed too: the request is refused for its content, not for its signature.
    try:
        details = oci.container_instances.models.UpdateContainerInstanceDetails(display_name="x")
        client(signer, config).update_container_instance("ocid1.computecontainerinstance.oc1..none", details)
    except oci.exceptions.ServiceError as error:
        assert error.status in (404, 405), error
    assert signers()[-2:] == [who, who], (who, signers())


# A session: the token of the profile, and its key.
profile = oci.config.from_file(profile_name="SESSION")
with open(profile["security_token_file"]) as file:
    token = file.read()
key = oci.signer.load_private_key_from_file(profile["key_file"])
works(oci.auth.signers.SecurityTokenSigner(token, key), "session", profile)
stranger = oci.auth.session_key_supplier.SessionKeySupplier().get_key_pair()["private"]
refused(lambda: client(oci.auth.signers.SecurityTokenSigner(token, stranger)).list_container_instances(compartment))
damaged = oci.auth.signers.SecurityTokenSigner(token[:-8] + "AAAAAAAA", key)
refused(lambda: client(damaged).list_container_instances(compartment))
over = sandbox("tokens", {"issue": "session", "lifetime-seconds": -1})["token"]
assert not oci.auth.security_token_container.SecurityTokenContainer(None, over).valid()
refused(lambda: client(oci.auth.signers.SecurityTokenSigner(over, key)).list_container_instances(compartment))

# An instance: its certificate is exchanged for a token, which is renewed when it is refused and before it expires.
sandbox("tokens", {"lifetime-seconds": 3600})
instance = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(federation_endpoint=federation)
assert instance.region == "us-ashburn-1" and instance.tenancy_id == profile["tenancy"], instance.region
works(instance, "instance")
first = instance.federation_client.get_security_token()
sandbox("tokens", {"issue": "session", "revoke": True})
works(instance, "instance")
second = instance.federation_client.get_security_token()
assert first != second
sandbox("tokens", {"lifetime-seconds": 30})
instance.refresh_security_token()
third = instance.federation_client.get_security_token()
works(instance, "instance")
assert third not in (first, second, instance.federation_client.get_security_token())
sandbox("tokens", {"lifetime-seconds": 3600})

# Only the certificate's own key gets a token.
signer = oci.auth.federation_client.AuthTokenRequestSigner(
    instance.tenancy_id, "00:11", instance.leaf_certificate_retriever
)
wrong = oci._vendor.requests.post(federation, json={"certificate": "", "publicKey": ""}, auth=signer)
assert wrong.status_code == 400, wrong.text
client_of_wrong_tenancy = oci.auth.federation_client.X509FederationClient(
    federation_endpoint=federation,
    tenancy_id="ocid1.tenancy.oc1..other",
    session_key_supplier=oci.auth.session_key_supplier.SessionKeySupplier(),
    leaf_certificate_retriever=instance.leaf_certificate_retriever,
    intermediate_certificate_retrievers=[instance.intermediate_certificate_retriever],
    purpose="ANY",
)
refused(client_of_wrong_tenancy.get_security_token)

# A user for whom the instance acts.
delegation = sandbox("tokens", {"issue": "delegation"})["token"]
signers_of = oci.auth.signers.InstancePrincipalsDelegationTokenSigner
works(signers_of(federation_endpoint=federation, delegation_token=delegation), "delegation")
refused(
    lambda: client(signers_of(federation_endpoint=federation, delegation_token=token))
    .list_container_instances(compartment)
)

# The user is part of the signed text, so nobody can add one to another client's request.
unsigned = oci._vendor.requests.get(
    f"{url}/20210415/containerInstances?compartmentId={compartment}",
    auth=instance,
    headers={"opc-obo-token": delegation},
)
assert unsigned.status_code == 401, unsigned.text

# A resource: its token is in a file, which is read again when it is refused.
fresh = sandbox("tokens", {"issue": "resource"})["token"]
with open(os.environ["OCI_RESOURCE_PRINCIPAL_RPST"], "w") as file:
    file.write(fresh)
resource = oci.auth.signers.get_resource_principals_signer()
works(resource, "resource")
assert resource.get_claim("res_compartment") == compartment
fresh = sandbox("tokens", {"issue": "resource"})["token"]
with open(os.environ["OCI_RESOURCE_PRINCIPAL_RPST"], "w") as file:
    file.write(fresh)
sandbox("tokens", {"revoke": True})
works(resource, "resource")

# The CLI, with each way to sign in.
for use, path in [("session", profile["security_token_file"]), ("delegation", f"{home}/.oci/delegation_token")]:
    with open(path, "w") as file:
        file.write(sandbox("tokens", {"issue": use})["token"])
import official  # noqa: E402

for flags, who in [
    (["--auth", "security_token", "--profile", "SESSION"], "session"),
    (["--auth", "instance_principal"], "instance"),
    (["--auth", "instance_obo_user", "--profile", "DELEGATED"], "delegation"),
    (["--auth", "resource_principal"], "resource"),
]:
    listing = ["container-instances", "container-instance", "list", "-c", compartment, "--limit", "1"]
    done = official.oci("--endpoint", url, *flags, *listing)
    assert done.returncode == 0, (flags, done.stdout, done.stderr)
    assert signers()[-1] == who, (flags, signers())
print("ok")
