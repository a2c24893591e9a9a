"""Speed of the MuJoCo toolkit: pictures, steps and resets of factorized environments, parallel rollouts.

Run with ``python -m tests.bench.bench_mujoco``; with ``MUJOCO_GL=osmesa`` for the other backend. Each
number is the median of repeated runs, in microseconds per picture, step or reset, or in thousand
time steps per second.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np

import swm.envs
from swm.envs.mujoco.render import PRESETS, Renderer
from swm.envs.mujoco.rollouts import simulate

IDS = ("HalfCheetah-v5", "Ant-v5", "Humanoid-v5")
ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
INTEGRATION = mujoco.mjtState.mjSTATE_INTEGRATION.value
HORIZON, FRAME_SKIP = 50, 5


def median(call: Callable[[], Any], repeats: int = 40) -> float:
    """Median seconds of a call."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def pictures() -> None:
    """Microseconds of one picture, for each size and preset."""
    for env_id in IDS:
        env = swm.envs.factorize(env_id, render_mode=None)
        env.reset(seed=0)
        row = []
        for preset in PRESETS:
            for size in (32, 64, 96, 224):
                renderer = Renderer(env.model, (size, size), camera=env.renderer.camera, preset=preset)  # type: ignore[arg-type]
                draw = partial(renderer.render, env.data)
                seconds = median(draw, 40 if preset == "fast" else 5)
                row.append(f"{preset} {size}: {seconds * 1e6:.0f}")
                where = renderer.describe()
                renderer.close()
        print(f"{env_id} picture, us, {where['backend']}: {', '.join(row)}")


def steps() -> None:
    """Microseconds of a step and of a reset."""
    for env_id in IDS:
        original, row = gymnasium.make(env_id).unwrapped, []
        original.reset(seed=0)
        action = np.zeros(original.action_space.shape or ())
        row.append(f"original without pictures {median(lambda: original.step(action)) * 1e6:.0f}")  # noqa: B023
        for mode, size in ((None, 64), ("rgb_array", 64), ("rgb_array", 224)):
            env = swm.envs.factorize(env_id, image_size=size, render_mode=mode)
            env.reset(seed=0)
            shown = f"{size}" if mode else "no pictures"
            row.append(f"{shown} {median(lambda: env.step(action)) * 1e6:.0f}")  # noqa: B023
            every = {"variation": "all"}
            row.append(f"reset 'all' {median(lambda: env.reset(seed=1, options=every), 10) * 1e6:.0f}")  # noqa: B023
            env.close()
        print(f"{env_id} step, us: {', '.join(row)}")


def rollouts() -> None:
    """Thousand time steps per second of a loop of mj_step and of `simulate`."""
    for name in ("half_cheetah", "humanoid"):
        model = mujoco.MjModel.from_xml_path(str(ASSETS / f"{name}.xml"))
        data = mujoco.MjData(model)
        start = np.empty(mujoco.mj_stateSize(model, INTEGRATION))
        mujoco.mj_getState(model, data, start, INTEGRATION)
        for count in (8, 32, 64):
            controls = np.random.default_rng(0).uniform(-0.4, 0.4, (count, HORIZON, model.nu))

            def loop(controls: np.ndarray = controls) -> None:
                for sequence in controls:
                    mujoco.mj_setState(model, data, start, INTEGRATION)  # noqa: B023
                    for control in sequence:
                        data.ctrl[:] = control  # noqa: B023
                        mujoco.mj_step(model, data, FRAME_SKIP)  # noqa: B023

            work = count * HORIZON * FRAME_SKIP / 1000
            row = [f"loop {work / median(loop, 7):.0f}"]
            for threads in (1, 2, 4):

                def parallel(threads: int = threads, controls: np.ndarray = controls) -> None:
                    simulate(model, start, controls, frame_skip=FRAME_SKIP, num_threads=threads)  # noqa: B023

                row.append(f"{threads} threads {work / median(parallel, 7):.0f}")
            print(f"{name} N={count}, thousand steps per second: {', '.join(row)}")


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, MuJoCo {mujoco.__version__}")
    pictures()
    steps()
    rollouts()
