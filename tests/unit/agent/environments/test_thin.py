"""Command files of cached packages, run by another interpreter."""

from __future__ import annotations

from pathlib import Path

from clearml_agent.environments.thin import SHEBANG_BYTES, shebang, without_shebang


def test_shebang_is_taken_off_and_put_back() -> None:
    body = "# -*- coding: utf-8 -*-\nimport sys\n"
    for path in (Path("/short/python"), Path("/a dir/python"), Path("/" + "long/" * 40 + "python3.11")):
        line = shebang(path)
        assert without_shebang(line + body) == body
        assert len(line.partition("\n")[0].encode()) <= SHEBANG_BYTES


def test_other_programs_are_left_alone() -> None:
    assert without_shebang("#!/bin/sh\necho x\n") is None
    assert without_shebang("#!/usr/bin/env node\n") is None
