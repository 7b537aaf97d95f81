"""The parts of the VM runner that need no machine: archive, modules, decisions, scripts."""

import gzip
import lzma
import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from tools.vm import guest, kernel, machine, modules, need
from tools.vm.__main__ import MISSING, main
from tools.vm.archive import Entry, cpio, folder, program


def _module(depends):
    return b"\x7fELF\0name=x\0depends=" + depends.encode() + b"\0vermagic=y\0"


def test_cpio_is_aligned_and_ends():
    """Every name and every file ends at a multiple of four bytes, and the trailer is last."""
    archive = cpio([folder("bin"), program("bin/a", b"12345")])

    assert 0 == len(archive) % 4
    assert archive.rstrip(b"\0").endswith(b"TRAILER!!!")
    assert archive.count(b"070701") == 3


@pytest.mark.skipif(not shutil.which("cpio"), reason="no cpio to ask")
def test_cpio_is_what_cpio_reads(tmp_path):
    """The usual program unpacks it to the same files and modes."""
    archive = cpio([folder("bin"), program("bin/a", b"12345"), Entry("b", 0o100644, b"")])

    subprocess.run(["cpio", "-id", "--quiet"], input=archive, cwd=tmp_path, check=True)

    assert b"12345" == (tmp_path / "bin/a").read_bytes()
    assert 0o755 == stat.S_IMODE((tmp_path / "bin/a").stat().st_mode)
    assert (tmp_path / "b").exists()


def test_closure_puts_what_is_needed_first():
    """Each module stands after all it needs, once; what is built in is left out."""
    needs = {"a": "b,c", "b": "d,core", "c": "d", "d": ""}

    order = modules.closure(
        ["a", "d"], {name: Path(name) for name in needs}, {"core"}, lambda p: _module(needs[p.name])
    )

    assert ["a", "b", "c", "d"] == sorted(order)
    for name, wanted in needs.items():
        for one in filter(None, wanted.split(",")):
            assert one == "core" or [*order].index(one) < [*order].index(name)


def test_closure_ends_with_a_ring():
    """Two modules that need each other (a broken kernel) do not hang it."""
    needs = {"a": "b", "b": "a"}

    order = modules.closure(
        ["a"], {name: Path(name) for name in needs}, set(), lambda p: _module(needs[p.name])
    )

    assert {"a", "b"} == set(order)


def test_closure_names_what_is_missing():
    """A module that is not there is named, with a remedy."""
    with pytest.raises(need.Missing, match="no module virtio_gpu"):
        modules.closure(["virtio-gpu"], {}, set())


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.ko", bytes), ("a.ko.xz", lzma.compress), ("a.ko.gz", gzip.compress)],
)
def test_modules_are_found_and_unpacked(tmp_path, name, pack):
    """Whatever they are packed with, and spelt with underscores."""
    (tmp_path / name.replace("a", "a-b")).write_bytes(pack(_module("")))

    found = modules.find(tmp_path)

    assert ["a_b"] == [*found]
    assert _module("") == modules.unpacked(found["a_b"])


def test_built_in(tmp_path):
    """The listing of the kernel says what needs no file."""
    (tmp_path / "modules.builtin").write_text("kernel/fs/9p/9p.ko\nkernel/x/virtio-pci.ko\n")

    assert {"9p", "virtio_pci"} == modules.built_in(tmp_path)
    assert set() == modules.built_in(tmp_path / "none")


def test_newest_kernel_package():
    """By number, of that series, stock: no cloud, rt, debug or unsigned one."""
    listing = """\
linux-image-6.12.107+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.99+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.117+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)
linux-image-6.12.118+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.120.1+deb12-amd64 - Linux
linux-image-6.12-amd64 - Linux for 64-bit PCs (meta-package)
"""

    assert "linux-image-6.12.107+deb12-amd64" == kernel.newest(listing)
    assert kernel.newest("") is None


def test_payload_is_found_by_the_boot_protocol():
    """The header says where the packed kernel starts and how long it is."""
    image = bytearray(4096)
    image[0x1F1] = 2
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", image, 0x248, 100, 7)
    image[3 * 512 + 100 : 3 * 512 + 107] = b"payload"

    assert b"payload" == kernel.payload(bytes(image))
    assert b"" == kernel.payload(bytes(4096))


def test_a_kernel_without_a_payload_boots_as_it_is(tmp_path):
    """What cannot be unpacked is given to the emulator whole."""
    image = tmp_path / "vmlinuz-1"
    image.write_bytes(bytes(4096))

    assert image == kernel.bootable(kernel.Kernel(image, tmp_path, "1"))


def test_newest_unpacked_kernel(tmp_path):
    """An image without its modules does not count; the newest of the others is taken."""
    for release, has_modules in (("6.12.9", True), ("6.12.10", True), ("6.13.1", False)):
        (tmp_path / "boot").mkdir(exist_ok=True)
        (tmp_path / f"boot/vmlinuz-{release}").touch()
        if has_modules:
            (tmp_path / f"lib/modules/{release}").mkdir(parents=True)

    found = kernel.in_folder(tmp_path)

    assert found is not None
    assert ("6.12.10", tmp_path / "lib/modules/6.12.10") == (found.release, found.modules)
    assert kernel.in_folder(tmp_path / "lib") is None


def test_kvm_needs_the_processor_too(tmp_path):
    """The device alone proves nothing, nor does the processor alone."""
    device = tmp_path / "kvm"
    without = machine.has_kvm("flags\t\t: fpu vmx\n", device)
    device.touch()

    assert not without
    assert machine.has_kvm("processor : 0\nflags\t\t: fpu svm sse\n", device)
    assert not machine.has_kvm("flags\t\t: fpu vmxoff\n", device)
    assert not machine.has_kvm("", device)


def test_emulator_shares_the_root_read_only():
    """The host's files cannot be changed from inside; only the out folder can."""
    words = machine.arguments(
        machine.Job(("true",), devices=("virtio-gpu-pci",)),
        *map(Path, ("k", "i", "/o", "c")),
        kvm=False,
    )

    root, out = (word for word in words if word.startswith("local,"))
    assert "path=/,readonly=on" in root
    assert "path=/o," in out
    assert "readonly" not in out
    assert "virtio-gpu-pci" in words
    assert "tcg,thread=multi" in words


def test_job_keeps_words_and_settings(tmp_path):
    """Spaces, quotes and dollar signs reach the command as they are; its status is kept."""
    script = guest.job(["printf", "%s|", "a b", "$X", "it's"], tmp_path, {"Y": "1 $2"})
    script = script.replace("export OUT=/run/out", f"export OUT={tmp_path}")

    subprocess.run(["sh", "-c", script + 'printf %s "$Y" > $OUT/y\n'], check=True)

    assert "a b|$X|it's|" == (tmp_path / guest.STDOUT).read_text()
    assert "0\n" == (tmp_path / guest.STATUS).read_text()
    assert "1 $2" == (tmp_path / "y").read_text()
    assert float((tmp_path / guest.STARTED).read_text())


def test_first_files_hold_the_modules_in_order():
    """The order of loading is a file of its own."""
    archive = guest.first_files(b"busybox", {"b": b"1", "a": b"2"})

    assert b"b.ko\na.ko\n" in archive


def test_streams_are_followed(tmp_path, capsys):
    """What a file grows by is passed on once, and a missing file is no error."""
    file = tmp_path / "stdout"
    stream = machine._Stream(file, __import__("sys").stdout)

    stream.follow()
    file.write_text("one\n")
    stream.follow()
    stream.follow()
    with file.open("a") as more:
        more.write("two\n")
    stream.follow()

    assert "one\ntwo\n" == capsys.readouterr().out


def test_what_is_missing_is_said(tmp_path, monkeypatch, capsys):
    """Without the programs: exit status 3 and one sentence with the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))

    status = main(["--", "true"])

    said = capsys.readouterr().err
    assert (MISSING, 1) == (status, len(said.splitlines()))
    assert "qemu-system-x86" in said
    assert "run as root: apt-get install" in said


def test_a_folder_without_a_kernel_is_said(tmp_path, monkeypatch, capsys):
    """So is a --kernel that holds none."""
    monkeypatch.setattr("tools.vm.__main__.install", lambda **_: None)

    status = main(["--kernel", str(tmp_path), "--", "true"])

    assert (MISSING, True) == (status, "holds no unpacked kernel" in capsys.readouterr().err)


class _Emulator:
    """Instead of qemu: a shell that does what a guest would."""

    def __init__(self, tmp_path, monkeypatch):
        self.log = tmp_path / "boots"
        self.log.touch()
        self.out = tmp_path / "out"
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(machine, "bootable", lambda one: one.image)
        monkeypatch.setattr(machine, "closure", lambda *_: {})
        for name in ("qemu-system-x86_64", "busybox"):
            (tmp_path / name).touch(mode=0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        self.kernel = kernel.Kernel(tmp_path / "image", tmp_path, "1")

    def run(self, script, **job):
        text = f"echo boot >> {self.log}; cd {self.out}; {script}"
        self.monkeypatch.setattr(machine, "arguments", lambda *_, **__: ["sh", "-c", text])
        return machine.run(machine.Job(("true",), out=self.out, **job), self.kernel)

    @property
    def boots(self):
        return len(self.log.read_text().split())


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    return _Emulator(tmp_path, monkeypatch)


def test_status_comes_back(emulator, capsys):
    """The command's own, with what it wrote."""
    status = emulator.run("touch .started; echo hello > stdout; echo 7 > .status")

    assert (7, 1, "hello\n") == (status, emulator.boots, capsys.readouterr().out)


def test_a_boot_that_dies_early_is_repeated_once(emulator):
    """Twice dead is dead."""
    assert (machine.DIED, 2) == (emulator.run("true"), emulator.boots)


def test_a_boot_that_hangs_is_repeated_once(emulator):
    """A guest that never starts the command is given up after its time, twice."""
    assert (machine.DIED, 2) == (emulator.run("exec sleep 60", boot_s=0.2), emulator.boots)


def test_a_started_command_is_never_repeated(emulator):
    """Whatever became of the guest."""
    assert (machine.DIED, 1) == (emulator.run("touch .started"), emulator.boots)


def test_a_command_that_takes_too_long_is_ended(emulator):
    """After its own time, which starts with it."""
    status = emulator.run("touch .started; exec sleep 60", timeout_s=0.2)

    assert (machine.LATE, 1) == (status, emulator.boots)


def test_nothing_is_left_of_the_run_before(emulator):
    """An out folder that was used does not lend its old status."""
    emulator.run("touch .started; echo 7 > .status")

    assert machine.DIED == emulator.run("true")


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    """To where the setting says."""
    monkeypatch.setenv("DMABUF_VM_CACHE", str(tmp_path))

    assert tmp_path == need.cache()
