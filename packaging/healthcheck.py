"""Whether what this container runs is well: a server answers, an agent lives. Exit status 0 or 1, the reason printed.

Standard library alone, because it is started every half minute.
"""

import glob
import json
import os
import sys
import urllib.error
import urllib.request

SERVER = f"/tmp/clearml-{os.getuid()}/server.json"
INSTANCES = os.path.join(os.environ.get("CLEARML_AGENT_HOME", "/data/agent"), "instances", "*.json")


def command() -> str:
    """The command line of the container's first process (and of its child, where that is an init)."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it has just ended
    return "\n".join(found)


def server() -> str:
    """What is wrong with the server; "" when it answers."""
    try:
        with open(SERVER, encoding="utf-8") as file:
            address = json.load(file)["api_server"].replace("//0.0.0.0", "//127.0.0.1")
        with urllib.request.urlopen(address + "/debug.ping", timeout=5) as answer:
            return "" if answer.status == 200 else f"debug.ping answers {answer.status}"
    except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
        return f"the server does not answer: {error}"


def agent() -> str:
    """What is wrong with the agents; "" when one that is registered here lives."""
    for path in glob.glob(INSTANCES):
        try:
            with open(path, encoding="utf-8") as file:
                pid = int(json.load(file)["pid"])
            os.kill(pid, 0)
            return ""
        except (OSError, ValueError, KeyError):
            continue  # of one that has left
    return "no agent lives here"


def main() -> int:
    running = command()
    wrong = server() if "clearml-server" in running else agent() if "clearml-agent daemon" in running else ""
    print(wrong or "well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
