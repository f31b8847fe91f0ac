"""The precedence of sign-in settings: the official CLI and deployctl must agree. Usage: precedence.py URL, with HOME as
`--home` and DEPLOYCTL naming the binary."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request

from official import oci

url = sys.argv[1]
home = os.environ["HOME"]
folder = f"{home}/.oci"
rc_file = f"{folder}/oci_cli_rc"


def sandbox(path):
    return json.load(urllib.request.urlopen(f"{url}/sandbox/{path}"))


def calls():
    return [entry for entry in sandbox("audit")["entries"] if entry["target"].startswith("/20")]


compartment = sandbox("state")["compartmentId"]
listing = ["container-instances", "container-instance", "list", "-c", compartment, "--limit", "1"]
base = {name: os.environ[name] for name in ("HOME", "PATH", "NO_PROXY")}
base["OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING"] = base["SUPPRESS_LABEL_WARNING"] = "True"
with open(f"{home}/principals.env") as file:
    for line in file:
        name, value = line.removeprefix("export ").strip().split("=", 1)
        base[name] = value
with open(f"{folder}/config") as file:
    config = file.read()
of_user = dict(line.split("=", 1) for line in config.split("\n\n")[0].splitlines()[1:])
user = {f"OCI_CLI_{key.upper()}": value for key, value in of_user.items()}
with open(of_user["key_file"]) as file:
    key = file.read()
for name in ("elsewhere", "broken"):
    with open(f"{home}/{name}", "w") as file:
        file.write(config if name == "elsewhere" else config.replace("user=", "user=x"))
    os.chmod(f"{home}/{name}", 0o600)
shutil.copy(f"{folder}/delegation_token", f"{home}/delegation")


def without(variables, *names):
    return {name: value for name, value in variables.items() if name not in names}


session = ["--auth", "security_token", "--profile", "SESSION"]
on_behalf = ["--auth", "instance_obo_user"]
delegation = {"OCI_CLI_DELEGATION_TOKEN_FILE": f"{home}/delegation"}
token = {"OCI_CLI_SECURITY_TOKEN_FILE": f"{folder}/sessions/SESSION/token"}
rc_session = "[OCI_CLI_SETTINGS]\ndefault_profile = SESSION\n[SESSION]\nauth = security_token\n"
# Flags, variables, the rc file, the configuration file, and the expected signer.
cases = [
    ([], {}, None, config, "user"),
    ([], {"OCI_CLI_PROFILE": "NONE"}, None, config, None),
    (["--profile", "DEFAULT"], {"OCI_CLI_PROFILE": "NONE"}, None, config, "user"),
    (session, {}, None, config, "session"),
    ([], {"OCI_CLI_PROFILE": "SESSION", "OCI_CLI_AUTH": "security_token"}, None, config, "session"),
    ([], {}, rc_session, config, "session"),
    ([], {"OCI_CLI_PROFILE": "DEFAULT"}, rc_session, config, "user"),
    ([], {"OCI_CLI_AUTH": "instance_principal"}, rc_session, config, "instance"),
    (["--auth", "resource_principal"], {"OCI_CLI_AUTH": "instance_principal"}, rc_session, config, "resource"),
    ([], {"OCI_CLI_AUTH": "magic"}, None, config, None),
    (["--auth", "instance_principal", "--profile", "NONE"], {}, None, config, "instance"),
    (["--auth", "instance_principal"], {}, None, None, "instance"),
    (["--auth", "resource_principal"], {}, None, None, "resource"),
    (["--auth", "resource_principal"], {"OCI_RESOURCE_PRINCIPAL_VERSION": "1.0"}, None, config, None),
    (["--auth", "security_token"], {}, None, config, None),
    (["--auth", "security_token", "--profile", "SESSION"], {"OCI_CLI_SECURITY_TOKEN_FILE": "/none"}, None, config, None),
    (on_behalf, {}, None, config, None),
    (on_behalf, delegation, None, config, "delegation"),
    (on_behalf + ["--profile", "DELEGATED"], {}, None, config, "delegation"),
    (on_behalf + ["--profile", "DELEGATED"], {"OCI_CLI_DELEGATION_TOKEN_FILE": "/none"}, None, config, None),
    ([], user, None, None, "user"),
    ([], without(user, "OCI_CLI_KEY_FILE") | {"OCI_CLI_KEY_CONTENT": key}, None, None, "user"),
    ([], without(user, "OCI_CLI_REGION"), None, None, None),
    (["--region", "us-phoenix-1"], without(user, "OCI_CLI_REGION"), None, None, "user"),
    ([], without(user, "OCI_CLI_REGION"), "[DEFAULT]\nregion = us-phoenix-1\n", None, "user"),
    ([], without(user, "OCI_CLI_USER"), None, None, None),
    ([], {"OCI_CLI_USER": "ocid1.user.oc1..x"}, None, config, None),
    ([], {"OCI_CLI_PASSPHRASE": "needless"}, None, config, "user"),
    ([], {"OCI_CLI_CONFIG_FILE": "~/elsewhere"}, None, None, "user"),
    ([], {"OCI_CLI_CONFIG_FILE": f"{home}/broken"}, None, config, None),
    ([], {"OCI_CONFIG_FILE": f"{home}/broken"}, None, config, "user"),
    ([], {"OCI_CONFIG_FILE": f"{home}/elsewhere"}, None, None, "user"),
    ([], {"OCI_CLI_CERT_BUNDLE": "/none.pem"}, None, config, None),
    ([], {"OCI_METADATA_BASE_URL": "http://127.0.0.1:1", "OCI_CLI_AUTH": "instance_principal"}, None, config, None),
]


def put(path, text):
    if os.path.exists(path):
        os.remove(path)
    if text is not None:
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)


def deployctl(*args, env):
    command = [os.environ["DEPLOYCTL"], *args]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)


def signed_by(program, *args, env):
    first = len(calls())
    done = program(*args, env=env)
    who = {entry["who"] for entry in calls()[first:]} if done.returncode == 0 else {None}
    return who, done


wrong = []
for flags, variables, rc, configuration, expected in cases:
    put(rc_file, rc)
    put(f"{folder}/config", configuration)
    environment = base | variables
    # If the metadata service does not answer, the CLI asks it for minutes. The result is known, so the CLI is not run.
    is_away = environment["OCI_METADATA_BASE_URL"].endswith(":1")
    theirs, said = ({None}, None) if is_away else signed_by(
        oci, "--endpoint", url, *flags, *listing, env=environment
    )
    ours, we_said = signed_by(deployctl, "plan", "web.json", "--endpoint", url, *flags, env=environment)
    if not theirs == ours == {expected}:
        wrong.append((flags, variables, rc, expected, theirs, said and said.stderr[-300:], ours, we_said.stderr[-300:]))
assert not wrong, "\n".join(map(str, wrong))
print("ok")
