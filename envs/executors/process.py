"""N environments in worker processes that write what they show into shared memory."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from swm.core.errors import InvalidValueError, SwmError
from swm.core.factors import Request
from swm.core.protocols import Array, Mask, StepBatch
from swm.envs.base import FactoredEnv
from swm.envs.executors.common import Batch, Layout, check_count, layout, write_row, write_step

_ALIGNMENT = 64
_GOAL_PIXELS = "goal_pixels"
_CLOSE_SECONDS = 5.0

MakeEnv = Callable[[], FactoredEnv]


def _views(memory: Any, arrays: Layout) -> dict[str, Array]:
    """The arrays of `arrays` inside one block of shared memory."""
    views: dict[str, Array] = {}
    offset = 0
    for name, (shape, dtype) in arrays.items():
        views[name] = np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)
        offset += -(-views[name].nbytes // _ALIGNMENT) * _ALIGNMENT
    return views


def _num_bytes(arrays: Layout) -> int:
    sizes = [int(np.prod(shape)) * dtype.itemsize for shape, dtype in arrays.values()]
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)


class ProcessExecutor:
    """Implements `swm.core.protocols.Executor` with worker processes, a share of the environments each.

    The workers are started afresh (forkserver, or spawn where there is none), so a script that
    uses it needs the usual ``if __name__ == "__main__"``. An error in a worker is raised here, with
    the worker's traceback as a note; a worker that dies is named. Anything but a refused value
    closes the executor.
    """

    def __init__(self, make_env: MakeEnv, num_envs: int, num_workers: int | None = None) -> None:
        """Start the workers.

        Args:
            make_env: makes one environment; must be picklable.
            num_envs: how many environments.
            num_workers: how many processes; None is one per available core, `num_envs` at most.

        Raises:
            InvalidValueError: a number is not a positive integer, or `make_env` cannot be pickled.
        """
        example = make_env()
        self.observation_space, self.action_space = example.observation_space, example.action_space
        self.factors, self.rendering = example.factors, example.rendering
        self._batch = Batch(num_envs, self.factors, self.action_space)
        self.num_envs = self._batch.num_envs
        arrays = layout(example, self.num_envs)
        arrays[_GOAL_PIXELS] = arrays["observation/pixels"]
        example.close()
        count = _num_cores() if num_workers is None else check_count("num_workers", num_workers)
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context = multiprocessing.get_context(method)
        memory = context.RawArray("B", _num_bytes(arrays))
        self._arrays = _views(memory, arrays)
        self._goal_pictures = self._arrays.pop(_GOAL_PIXELS)
        shares = np.array_split(np.arange(self.num_envs), min(self.num_envs, count))
        self._workers: list[_Worker] = []
        try:
            for share in shares:
                self._workers.append(_Worker(context, make_env, share.tolist(), memory, arrays))
            self._call("ready", {int(row): () for row in range(self.num_envs)})
        except BaseException:
            self.close()
            raise

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """See `Executor.reset`."""
        rows, variations = self._batch.resolve(seeds, requests, mask)
        self._call("reset", {row: (int(seeds[row]), v) for row, v in zip(rows.tolist(), variations, strict=True)})
        self._batch.begin(rows, variations)
        return self._batch.step_batch(self._arrays)

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.step`."""
        rows = self._batch.running(mask)
        return self._each("step", rows, self._batch.actions(actions, rows))

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_state`."""
        rows = self._batch.running(mask)
        return self._each("set_state", rows, self._batch.states("states", states, rows))

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_goal`."""
        rows = self._batch.running(mask)
        return self._each("set_goal", rows, self._batch.states("goals", goals, rows))

    def goal_pixels(self) -> Array:
        """See `Executor.goal_pixels`; black where no episode has begun."""
        self._call(_GOAL_PIXELS, {row: () for row in np.flatnonzero(self._batch.begun).tolist()})
        return self._goal_pictures.copy()

    def close(self) -> None:
        """Stop the workers; safe to call twice."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()
        self._workers = []

    def _each(self, command: str, rows: Array, vectors: Array) -> StepBatch:
        self._call(command, {row: (vector,) for row, vector in zip(rows.tolist(), vectors, strict=True)})
        return self._batch.step_batch(self._arrays)

    def _call(self, command: str, arguments: Mapping[int, tuple[Any, ...]]) -> None:
        """Run `command` on the given rows, in all workers at once, and wait until it is done."""
        if not self._workers:
            raise InvalidValueError("this executor is closed; make a new one.")
        try:
            failures = self._exchange(command, arguments)
        except BaseException:  # an interrupt: replies are still on their way
            self.close()
            raise
        if failures:
            if not all(isinstance(failure, InvalidValueError) for failure in failures):
                self.close()
            raise failures[0]

    def _exchange(self, command: str, arguments: Mapping[int, tuple[Any, ...]]) -> list[BaseException]:
        busy = [worker for worker in self._workers if any(row in arguments for row in worker.rows)]
        for worker in busy:
            worker.send((command, {row: arguments[row] for row in worker.rows if row in arguments}))
        return [failure for worker in busy for failure in worker.receive()]


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, context: Any, make_env: MakeEnv, rows: list[int], memory: Any, arrays: Layout) -> None:
        self.rows = rows
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, make_env, rows, memory, arrays), name=f"environments {rows}", daemon=True
        )
        try:
            self._process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InvalidValueError(f"the environment's factory cannot be sent to a process: {error}") from error
        theirs.close()

    def send(self, message: object) -> None:
        with contextlib.suppress(OSError):  # if the worker is gone, receive() says how it died
            self._pipe.send(message)

    def receive(self) -> list[BaseException]:
        """Wait for the reply; return the worker's error, if any."""
        wait([self._pipe, self._process.sentinel])
        try:
            reply = self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError):
            reply = None
        if reply is None:
            self._process.join(_CLOSE_SECONDS)
            code = self._process.exitcode
            return [SwmError(f"the worker of the environments {self.rows} died with exit code {code}.")]
        return [] if reply == "done" else [_revive(self.rows, *reply)]

    def stop(self) -> None:
        self.send(None)

    def join(self) -> None:
        """Wait for the end, and force it if it does not come."""
        self._pipe.close()
        if self._process.pid is None:
            return
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            self._process.join(_CLOSE_SECONDS)
            if self._process.exitcode is not None:
                break
        self._process.close()


def _revive(rows: list[int], pickled: bytes | None, text: str) -> BaseException:
    """The worker's error with its traceback as a note; an error that cannot travel becomes text."""
    note = f"in the worker of the environments {rows}:\n{text}"
    try:
        error: BaseException = pickle.loads(pickled) if pickled else SwmError(note)
    except Exception:
        error = SwmError(note)
    error.add_note(note)
    return error


def _work(pipe: Connection, make_env: MakeEnv, rows: list[int], memory: Any, arrays: Layout) -> None:
    """The life of a worker: carry out commands until told to stop or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    threadpool_limits(1)  # there is a worker per core: more threads would only wait for each other
    views = _views(memory, arrays)
    envs: dict[int, FactoredEnv] = {}
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            break
        if message is None:
            break
        try:
            if not envs:
                envs = {row: make_env() for row in rows}
            command, arguments = message
            for row, argument in arguments.items():
                _carry_out(command, envs[row], row, views, argument)
            pipe.send("done")
        except Exception as error:
            pipe.send((_pickled(error), traceback.format_exc()))
    for env in envs.values():
        env.close()


def _carry_out(command: str, env: FactoredEnv, row: int, views: Mapping[str, Array], argument: tuple[Any, ...]) -> None:
    """Run one command on one environment; the command ``"ready"`` asks for nothing but its existence."""
    if command == "reset":
        seed, variation = argument
        write_row(views, row, *env.reset(seed=seed, options={"variation": variation}))
    elif command == "step":
        write_step(views, row, env.step(*argument))
    elif command in ("set_state", "set_goal"):
        getattr(env, command)(*argument)
        write_row(views, row, *env.observe())
    elif command == _GOAL_PIXELS:
        views[_GOAL_PIXELS][row] = env.goal_pixels()


def _pickled(error: Exception) -> bytes | None:
    try:
        return pickle.dumps(error)
    except Exception:
        return None


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
