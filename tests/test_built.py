"""The compiled engines: nothing but time tells them from the Python code they were made from."""

import os
import subprocess
import sys

import pytest

from dmabuf import built
from tests.explore.two_builds import said

PROGRAMS = 10


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in which nothing was built yet."""
    monkeypatch.setattr(built, "FOLDER", str(tmp_path))
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(not built.is_fresh(), reason="the engines were not compiled here")
def test_both_builds_come_to_the_same():
    """Every engine makes the same executions, findings and steps of random programs."""
    asked, build = ("explorer", "pure Python") if built.is_built() else ("", "compiled")
    command = [sys.executable, "-m", "tests.explore.two_builds", "--programs", str(PROGRAMS)]
    env = {**os.environ, "DMABUF_PURE": asked, "PYTHONPATH": os.pathsep.join(sys.path)}

    process = subprocess.run(command, env=env, capture_output=True, text=True, check=True)

    assert build == process.stderr.strip()
    assert list(said(PROGRAMS)) == process.stdout.splitlines()


def test_build_of_these_sources_is_fresh(folder):
    """What was built from the sources as they are may be used."""
    (folder / built.STAMP).write_text(built.stamp())

    assert built.is_fresh()


@pytest.mark.parametrize("told", [None, "", "00000000"])
def test_build_of_other_sources_is_left_aside(folder, told):
    """A source that was changed since, or a build that was not finished: all is Python."""
    if told is not None:
        (folder / built.STAMP).write_text(told)

    assert not built.is_fresh()


def test_stamp_knows_every_source(tmp_path, monkeypatch):
    """A letter changed in any of them, or in what is baked in, is another stamp."""
    monkeypatch.setattr(built, "HERE", str(tmp_path))
    sources = [tmp_path / f"{name}.py" for name in (*built.MODULES, *built.BAKED_IN)]
    for path in sources:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    seen = {built.stamp()}

    for number, path in enumerate(sources):
        path.write_text(str(number))
        seen.add(built.stamp())

    assert len(sources) + 1 == len(seen)
