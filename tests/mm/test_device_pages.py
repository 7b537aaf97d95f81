"""Pages that devices use: sentence M."""

import pytest

from dmabuf.mm.device_pages import DeviceMmu, DevicePages
from dmabuf.sync.completion import Completion


def codes(rt, fn):
    """The rules that it breaks."""
    return [code for code, _message in rt.reports(fn)]


@pytest.mark.parametrize("act", ["release", "move"])
def test_pages_taken_from_under_a_device(rt, act):
    """Freeing or moving memory in the middle of an access is DF306."""

    def main():
        pages = DevicePages("frame")
        began, goes_on = Completion("began"), Completion("goes on")

        def device():
            with pages.device_access():
                began.complete()
                goes_on.wait()

        rt.spawn(device, name="gpu")
        began.wait()
        try:
            getattr(pages, act)()
        finally:
            goes_on.complete()

    assert ["DF306"] == codes(rt, main)


@pytest.mark.parametrize(("back", "found"), [(False, ["DF306"]), (True, [])])
def test_pages_used_when_they_are_gone(rt, back, found):
    """An access to memory that was freed is DF306; with memory again it is none."""

    def main():
        pages = DevicePages("frame")
        pages.release()
        if back:
            pages.populate()
        with pages.device_access():
            pass

    assert found == codes(rt, main)


@pytest.mark.parametrize(
    ("before", "reached", "found"),
    [
        (("map",), True, []),
        ((), False, []),
        (("map", "unmap"), True, []),
        (("map", "unmap", "flush"), False, []),
        (("map", "flush"), True, []),
        (("map", "unmap", "release"), None, ["DF306"]),
        (("map", "unmap", "flush", "release"), False, []),
        (("map", "unmap", "map", "flush"), True, []),
    ],
)
def test_device_reaches_what_its_table_or_its_cache_has(rt, before, reached, found):
    """An entry that was removed is used until the cache is flushed."""
    seen = []

    def main():
        pages, mmu = DevicePages("frame"), DeviceMmu("gpu")
        acts = {
            "map": lambda: mmu.map(pages),
            "unmap": lambda: mmu.unmap(pages),
            "flush": mmu.flush,
            "release": pages.release,
        }
        for name in before:
            acts[name]()
        with mmu.access(pages) as has:
            seen.append((has, len(pages.users)))
        assert not pages.users

    assert found == codes(rt, main)
    assert ([] if reached is None else [(reached, int(reached))]) == seen


def test_access_that_raises_ends(rt):
    """What a device's task raises does not leave its access open."""

    def main():
        pages, mmu = DevicePages("frame"), DeviceMmu("gpu")
        mmu.map(pages)
        for access in (pages.device_access(), mmu.access(pages)):
            with pytest.raises(KeyError), access:
                raise KeyError
        return pages.users

    assert {} == rt.run(main)
