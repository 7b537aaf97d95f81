"""sw_sync as a module for the stock kernel: what is decided without building it."""

import io
import random
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.agreement import in_vm
from tests.agreement.calls import a_program
from tools.vm import sw_sync
from tools.vm.kernel import Kernel
from tools.vm.need import Missing

KERNEL = Kernel(Path("vmlinuz"), Path("modules"), "6.12.9+deb12-amd64")


def test_module_comes_from_the_cache(tmp_path):
    """One that was built for that very release is taken as it is."""
    module = tmp_path / "sw_sync-6.12.9+deb12-amd64" / "sw_sync_module.ko"
    module.parent.mkdir()
    module.touch()

    assert module == sw_sync.build(KERNEL, tmp_path)


def test_module_needs_a_compiler(tmp_path, monkeypatch):
    """One sentence with the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match="without gcc; install it"):
        sw_sync.build(KERNEL, tmp_path)


def test_module_is_built_with_the_kernels_own_headers():
    """Of that release, with those for all kinds of its version."""
    expected = [
        "linux-headers-6.12.9+deb12-amd64",
        "linux-headers-6.12.9+deb12-common",
        "linux-kbuild-6.12.9+deb12",
    ]

    assert expected == sw_sync.packages(KERNEL.release)


def _archive(path, names):
    with tarfile.open(path, "w:xz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"linux-source-6.12/{name}")
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))


def test_module_takes_the_few_files_of_the_source(tmp_path):
    """And leaves the rest."""
    names = ["sw_sync.c", "sync_debug.c", "sync_debug.h", "sync_trace.h", "dma-buf.c"]
    _archive(tmp_path / "source.tar.xz", [f"drivers/dma-buf/{name}" for name in names])
    place = tmp_path / "place"
    place.mkdir()

    sw_sync._take_sources(tmp_path / "source.tar.xz", place)

    assert sorted(names[:4]) == sorted(path.name for path in place.iterdir())
    assert "drivers/dma-buf/sw_sync.c" == (place / "sw_sync.c").read_text()


def test_module_without_a_file_of_the_source(tmp_path):
    """What is not there is named."""
    _archive(tmp_path / "source.tar.xz", ["drivers/dma-buf/sw_sync.c"])

    with pytest.raises(Missing, match=r"has no drivers/dma-buf/sync_debug\.c and"):
        sw_sync._take_sources(tmp_path / "source.tar.xz", tmp_path)


def test_rows_that_cannot_run_are_said(monkeypatch, capsys):
    """A line with the reason, and the VM goes without the module."""

    def run(words, **_how):
        return subprocess.CompletedProcess(words, 3, "", "vm: cannot run: no gcc; install it\n")

    monkeypatch.setattr(subprocess, "run", run)

    lacks = in_vm.lacking(["vm"])

    said = "agreement: its rows of sw_sync are SKIPPED, because no gcc; install it\n"
    assert (["sw_sync"], said) == (lacks, capsys.readouterr().out)
    assert "sw_sync" not in " ".join(in_vm.machine(lacks))
    assert "vivid,sw_sync" in " ".join(in_vm.machine([]))


def test_random_programs_without_sw_sync_are_the_same_but_for_it():
    """A seed names one program wherever it runs."""
    whole = a_program(random.Random("7.1"), 80)
    without = a_program(random.Random("7.1"), 80, with_sw_sync=False)

    assert [call for call in whole if not call.name.startswith("sw_")] == without
