"""Conditions that the driver decides: `if (dev->driver->gem_create_object)` in shared code.

Asked where the values of variables do not decide.
"""

from __future__ import annotations

from typing import Final

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.own_tables import OwnTables
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.learnt import said
from dmabuf.audit.ways.values import number, truth
from dmabuf.audit.ways.walk import Walk

__all__ = ["OWN", "Guards"]

OWN: Final = frozenset({
    "struct drm_driver",
    "struct drm_gpuvm_ops",
    "struct drm_mode_config_funcs",
    "struct drm_sched_backend_ops",
    "struct ttm_device_funcs",
})  # fmt: skip
"""Tables that belong to a device. Those of objects that are handed from driver to driver are not
among them: fences, buffers, bridges, panels."""

_DEPTH = 8
_FEATURE = ("name", "drm_core_check_feature")
_SAME = (("name", "likely"), ("name", "unlikely"))
_ZERO = number(0)


class Guards:
    """Decides for a program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._features: dict[str, int | None] = {}
        self._tables = OwnTables(program.names, program.types, program.tables)

    def holds(self, walk: Walk, condition: Expr, depth: int = 0) -> bool | None:
        """Whether a condition holds where a walk is; None where it may or may not."""
        known = truth(walk.value(condition))
        kind = condition[0]
        if known is None and walk.state is not None and walk.state.known:
            known = said(walk.state.known, condition, walk.value)
        if known is not None or depth > _DEPTH:
            return known
        if kind == "field":
            return self._field(walk, condition)
        if kind == "unary" and condition[1] == "!":
            return _not(self.holds(walk, condition[2], depth + 1))
        if kind == "call" and condition[1] in _SAME and condition[2]:
            return self.holds(walk, condition[2][0], depth + 1)
        if kind == "call" and condition[1] == _FEATURE and len(condition[2]) == 2:
            return self._feature(walk, condition[2][1])
        if kind == "op":
            return self._op(walk, condition, depth)
        return None

    def _op(self, walk: Walk, condition: Expr, depth: int) -> bool | None:
        sign, left, right = condition[1:]
        if sign in ("==", "!=") and walk.value(right) == _ZERO:
            known = self.holds(walk, left, depth + 1)
            return known if sign == "!=" else _not(known)
        if sign not in ("&&", "||"):
            return None
        decides: bool = sign == "||"
        both = (self.holds(walk, left, depth + 1), self.holds(walk, right, depth + 1))
        if decides in both:
            return decides
        return None if None in both else not decides

    def _feature(self, walk: Walk, wanted: Expr) -> bool | None:
        """A feature that no table of the driver has; those that it has may be switched off."""
        owner = walk.routine.owner or walk.context.owner
        if not owner:
            return None
        if owner not in self._features:
            self._features[owner] = self._of_driver(walk, owner)
        features = self._features[owner]
        feature = walk.value(wanted)
        if features is None or feature is None:
            return None
        asked = [one for one in feature if isinstance(one, int)]
        return None if any(one & features for one in asked) or not asked else False

    def _of_driver(self, walk: Walk, owner: str) -> int | None:
        """All features of the tables of a driver together; None if that is not known."""
        tables = self._tables.values("struct drm_driver", "driver_features", owner)
        features = 0
        for path, value in tables or ():
            for one in walk.evaluator.value(value, {}, path) or (None,):
                if not isinstance(one, int):
                    return None
                features |= one
        return features if tables else None

    def _field(self, walk: Walk, condition: Expr) -> bool | None:
        owner = walk.routine.owner or walk.context.owner
        if not owner:
            return None
        types = self._program.types
        kind = types.of(condition[1], walk.local, walk.routine.path)
        struct = types.plain(kind) if kind else ""
        return self._tables.holds(struct, condition[2], owner) if struct in OWN else None


def _not(known: bool | None) -> bool | None:
    return None if known is None else not known
