"""What a side does: open one environment, record it, reset it, and say which of its ids work."""

import tempfile
import time
from abc import ABC, abstractmethod
from typing import Any

NUM_ENVS = 8
_FAILURE_LENGTH = 300


class Side(ABC):
    """One library, with at most one world of `NUM_ENVS` environments open."""

    _episodes_per_second: float

    @abstractmethod
    def ids(self) -> list[str]:
        """Every environment that it registers."""

    @abstractmethod
    def _open(self, env_id: str, size: int, max_steps: int, arguments: dict[str, Any]) -> str:
        """Make the world, close the one before; return how it runs, in words."""

    @abstractmethod
    def _warm_up(self) -> float:
        """Steps per second, roughly, after everything that is slow once has happened."""

    @abstractmethod
    def _record(self, path: str, episodes: int) -> int:
        """Record episodes of random actions into Lance at `path`; return the number of steps there."""

    @abstractmethod
    def _reset(self, seed: int) -> None:
        """Reset all environments with all factors sampled, pictures included."""

    @abstractmethod
    def _stages(self, env_id: str) -> dict[str, Any]:
        """What an id has to be able to do, in this order: stage -> function without arguments."""

    def open(self, env_id: str, size: int, max_steps: int, arguments: dict[str, Any]) -> dict[str, Any]:
        """Make the world of one environment and warm it up."""
        how = self._open(env_id, size, max_steps, arguments)
        self._episodes_per_second = self._warm_up() / max_steps
        return {"how": how}

    def record(self, seconds: float) -> dict[str, Any]:
        """Record for about `seconds`, whole episodes and the same number in each environment."""
        rounds = max(1, round(self._episodes_per_second * seconds / NUM_ENVS))
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            steps = self._record(f"{folder}/data.lance", rounds * NUM_ENVS)
            elapsed = time.perf_counter() - begin
        self._episodes_per_second = rounds * NUM_ENVS / elapsed
        return {"per_second": steps / elapsed, "seconds": elapsed, "steps": steps, "episodes": rounds * NUM_ENVS}

    def resets(self, seconds: float) -> dict[str, Any]:
        """Reset all environments again and again."""
        self._reset(0)
        begin, done = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < seconds or not done:
            self._reset(1 + done)
            done += NUM_ENVS
        return {"per_second": done / elapsed, "seconds": elapsed, "resets": done}

    def check(self, env_id: str) -> dict[str, Any]:
        """Try every stage of one id; the first that fails ends it."""
        for stage, attempt in self._stages(env_id).items():
            try:
                attempt()
            except Exception as error:
                lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
                return {"failed": stage, "reason": f"{type(error).__name__}: {lines[-1]}"[:_FAILURE_LENGTH]}
        return {"failed": None}
