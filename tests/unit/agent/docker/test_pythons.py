"""What a Python of an image is asked."""

from __future__ import annotations

import json
import subprocess
import sys

from clearml_agent.docker.pythons import QUESTION

BEFORE_3_8 = "import sys; sys.modules['importlib.metadata'] = None\n"


def packages(question: str) -> list[list[str]]:
    done = subprocess.run([sys.executable, "-I", "-c", question], capture_output=True, check=True, timeout=60)
    return list(json.loads(done.stdout)["packages"])


def test_a_python_without_importlib_metadata_knows_its_packages_as_well() -> None:
    found, expected = packages(BEFORE_3_8 + QUESTION), packages(QUESTION)
    assert sorted(found) == sorted(expected)
    assert "pytest" in {name for name, _, _ in found}
