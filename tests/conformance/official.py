"""The official CLI. Its import takes a second, so each call is a fork of a process that has imported it, with its own
arguments and environment."""

import os
import subprocess
import sys
import tempfile
import traceback

# The CLI imports only the services that the command line names.
arguments, sys.argv = sys.argv, ["oci", "container-instances"]
from oci_cli import dynamic_loader  # noqa: E402
from oci_cli.cli import cli  # noqa: E402

for service in ("iam", "lb", "network"):
    dynamic_loader.load_service(service)
sys.argv = arguments


def oci(*args, env=None):
    """The result of `oci ARGS`, in the form of `subprocess.run`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os._exit(become(args, env, out, err))
        _, status = os.waitpid(child, 0)
        texts = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
        return subprocess.CompletedProcess(["oci", *args], os.waitstatus_to_exitcode(status), *texts)


def become(args, env, out, err):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    sys.argv = ["oci", *args]
    try:
        cli()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        # `--file -` closes the stream.
        if not stream.closed:
            stream.flush()
    return code
