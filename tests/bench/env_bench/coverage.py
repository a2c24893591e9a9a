"""Which ids of a side can be constructed, reset, stepped, rendered and recorded."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import current_thread
from typing import Any

from tests.bench.readers.processes import Child, ContestantError

_PATIENCE = 90.0
"""Seconds for one id."""
_BACKENDS = ("egl", "osmesa")
"""An id works if it works with one of them."""


def cover(peer: str | None, folder: Path) -> dict[str, Any]:
    """Try every id of ours and, given its interpreter, of the peer."""
    pythons = {"ours": sys.executable} | ({"peer": peer} if peer else {})
    return {side: _cover(python, side, folder) for side, python in pythons.items()}


def _cover(python: str, side: str, folder: Path) -> dict[str, Any]:
    with _Asker(python, side, folder, _BACKENDS[0]) as asker:
        answer = asker.ask("ids")
    assert isinstance(answer, list)
    found: dict[str, dict[str, Any]] = {}
    for backend in _BACKENDS:
        left = [env_id for env_id in answer if env_id not in found or found[env_id]["failed"]]
        if left:
            tried = _try_all(python, side, folder, backend, left)
            found |= {name: each for name, each in tried.items() if name not in found or not each["failed"]}
    failures = {env_id: each for env_id, each in found.items() if each["failed"]}
    return {
        "ids": len(found),
        "work": len(found) - len(failures),
        "with": {backend: sum(each.get("backend") == backend for each in found.values()) for backend in _BACKENDS},
        "failures": failures,
    }


def _try_all(python: str, side: str, folder: Path, backend: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Two processes share the ids."""
    shares = [ids[start::2] for start in range(2)]
    with ThreadPoolExecutor(2) as pool:
        parts = pool.map(lambda share: _try_share(python, side, folder, backend, share), shares)
    return {name: answer for part in parts for name, answer in part.items()}


def _try_share(python: str, side: str, folder: Path, backend: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    found = {}
    with _Asker(python, side, folder, backend) as asker:
        for env_id in ids:
            try:
                answer = asker.ask("check", env_id=env_id)
            except ContestantError as error:
                answer = {"failed": "process", "reason": str(error)}
            if answer["failed"]:
                asker.renew()
            found[env_id] = answer if answer["failed"] else {**answer, "backend": backend}
    return found


class _Asker:
    """A process that is made when it is asked, and made anew after a failure, which may have spoiled it."""

    def __init__(self, python: str, side: str, folder: Path, backend: str) -> None:
        self._python, self._side, self._backend = python, side, backend
        self._log = folder / f"coverage-{side}-{current_thread().ident}.log"
        self._child: Child | None = None

    def ask(self, command: str, **arguments: Any) -> Any:
        if self._child is None:
            settings = {"MUJOCO_GL": self._backend}
            self._child = Child(self._python, self._side, log=self._log, package="env_bench", settings=settings)
        return self._child.ask(command, patience=_PATIENCE, **arguments)

    def renew(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> "_Asker":
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()
