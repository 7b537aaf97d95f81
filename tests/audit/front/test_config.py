"""Which branches a configuration leaves."""

import pytest

from dmabuf.audit.front.config import Config, parse
from dmabuf.audit.front.extract import extract, version
from tests.audit.front.snippets import listing

CONFIG = parse('# a comment\nCONFIG_A=y\nCONFIG_M=m\n# CONFIG_N is not set\nCONFIG_S="x"\n')

DECISIONS = {
    "#ifdef CONFIG_A": True,
    "#ifdef CONFIG_N": False,
    "#ifdef CONFIG_M": False,
    "#ifdef CONFIG_M_MODULE": True,
    "#ifdef CONFIG_A_MODULE": False,
    "#ifdef CONFIG_NEVER_HEARD_OF": False,
    "#ifndef CONFIG_A": False,
    "#ifdef DEBUG": None,
    "#if IS_ENABLED(CONFIG_M)": True,
    "#if IS_ENABLED(CONFIG_N)": False,
    "#if IS_BUILTIN(CONFIG_M)": False,
    "#if IS_MODULE(CONFIG_M)": True,
    "#if IS_REACHABLE(CONFIG_M)": None,
    "#if defined(CONFIG_A) && !defined CONFIG_N": True,
    "#if defined(DEBUG) && defined(CONFIG_N)": False,
    "#if defined(DEBUG) || defined(CONFIG_A)": True,
    "#if defined(DEBUG) && defined(CONFIG_A)": None,
    "#if LINUX_VERSION_CODE > 5": None,
    "#if 0": False,
    "#if 1": True,
    "#elif (0)": False,
    "#if ": None,
    "#if (((": None,
    "#ifdef __KERNEL__": True,
    "#ifdef __cplusplus": False,
}


@pytest.mark.parametrize("directive", DECISIONS, ids=range(len(DECISIONS)))
def test_configuration_decides_what_it_knows(directive):
    """Three values: built, not built, not known."""
    assert CONFIG.decide(directive) is DECISIONS[directive]


def test_without_a_configuration_all_is_open():
    """Only what is always so is known."""
    known = [one for one in DECISIONS if Config().decide(one) is not None]

    assert known == ["#if 0", "#if 1", "#elif (0)", "#ifdef __KERNEL__", "#ifdef __cplusplus"]


@pytest.mark.parametrize(
    ("directive", "built"),
    [
        ("#ifdef CONFIG_64BIT", True),
        ("#if !defined(CONFIG_64BIT)", False),
        ("#if IS_ENABLED(CONFIG_HIGHMEM)", False),
        ("#ifdef CONFIG_HIGHMEM", False),
        ("#ifdef CONFIG_OTHER", None),
        ("#if IS_ENABLED(CONFIG_OTHER)", None),
    ],
)
def test_incomplete_configuration_decides_what_it_names(directive, built):
    """What is not in it stays open."""
    config = Config({"CONFIG_64BIT": "y", "CONFIG_HIGHMEM": "n"})

    assert config.decide(directive) is built


def test_branches_that_are_not_built_are_gone():
    """The branch that is built stands without a condition; open ones keep theirs."""
    text = (
        b"int f(void)\n{\n#ifdef CONFIG_A\n\ta();\n#else\n\tb();\n#endif\n#ifdef CONFIG_N\n\tc();\n"
        b"#endif\n#ifdef DEBUG\n\td();\n#endif\n#if defined(CONFIG_N)\n\te();\n#elif 1\n\tg();\n"
        b"#else\n\th();\n#endif\n}\n"
    )

    found = extract("x.c", text, CONFIG)

    assert listing(found.functions[0].code) == [
        "CALL a()",
        "IF ?<#ifdef DEBUG>",
        "CALL d()",
        "END",
        "CALL g()",
    ]
    assert found.flaws == ()


def test_facts_with_a_configuration_are_others():
    """They are kept apart from those without one."""
    assert len({version(), version(CONFIG), version(parse(""))}) == 3
