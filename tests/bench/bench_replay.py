"""Steps added and clips drawn per second by the replay buffer, against a loop that stacks clips one by one.

Per second of processor time, so that other load on the machine counts little: each is one thread.
Run: ``python tests/bench/bench_replay.py``. Prints the median and the spread of the repeats.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import swm.data
from swm.data.replay import ReplayBuffer

_BATCH, _NUM_STEPS, _FRAME_SKIP = 64, 4, 5
_LENGTH = 100


def make_episode(rng: np.random.Generator) -> swm.data.Episode:
    """Noise of the usual shapes."""
    last = np.arange(_LENGTH) == _LENGTH - 1
    return swm.data.Episode(
        observation={
            "pixels": rng.integers(0, 256, (_LENGTH + 1, 64, 64, 3), dtype=np.uint8),
            "state": rng.normal(size=(_LENGTH + 1, 4)),
        },
        action=rng.normal(size=(_LENGTH, 2)).astype(np.float32),
        reward=np.zeros(_LENGTH),
        terminated=last & False,
        truncated=last,
        success=last & False,
    )


def stack_one_by_one(episodes: list[swm.data.Episode], rng: np.random.Generator) -> int:
    """Draw a batch as a loop over clips and steps would."""
    span = (_NUM_STEPS - 1) * _FRAME_SKIP
    clips = []
    for _ in range(_BATCH):
        episode, start = episodes[rng.integers(len(episodes))], rng.integers(_LENGTH - span + 1)
        steps = [start + i * _FRAME_SKIP for i in range(_NUM_STEPS)]
        clip = {name: np.stack([values[i] for i in steps]) for name, values in episode.observation.items()}
        clip["action"] = np.stack([np.concatenate(list(episode.action[i : i + _FRAME_SKIP])) for i in steps[:-1]])
        clips.append(clip)
    batch = {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}
    return len(batch["pixels"])


def measure(work: Callable[[], int], repeats: int) -> str:
    """Run `work`, which returns how many units it handled, and describe its speed."""
    work()
    speeds = []
    for _ in range(repeats):
        begin = time.process_time()
        units = work()
        speeds.append(units / (time.process_time() - begin))
    return f"{statistics.median(speeds):>9,.0f} /s ({min(speeds):,.0f} to {max(speeds):,.0f})"


def main() -> None:
    """Measure adding and drawing in a full buffer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capacity", type=int, default=20_000, help="observations of 64 x 64 x 3")
    parser.add_argument("--repeats", type=int, default=51)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    episodes = [make_episode(rng) for _ in range(20)]
    buffer = ReplayBuffer(args.capacity)

    def add_all() -> int:
        for episode in episodes:
            buffer.add(episode)
        return len(episodes) * _LENGTH

    while not buffer.num_evicted:
        add_all()
    print(buffer)
    print(f"steps added by whole episodes        {measure(add_all, args.repeats)}")

    def draw() -> int:
        return len(buffer.sample(_BATCH, num_steps=_NUM_STEPS, frame_skip=_FRAME_SKIP)["pixels"])

    print(f"clips drawn                          {measure(draw, args.repeats)}")
    print(f"clips stacked one by one             {measure(lambda: stack_one_by_one(episodes, rng), args.repeats)}")
    for num_envs in (1, 16, 64):
        with_envs = ReplayBuffer(args.capacity)
        while not with_envs.num_evicted:
            with_envs.add(episodes[0])
        seen = {name: values[:num_envs] for name, values in episodes[0].observation.items()}
        no = np.zeros(num_envs, bool)

        def step(to: ReplayBuffer = with_envs, seen: swm.data.clips.Batch = seen, no: np.ndarray = no) -> int:
            to.add_steps(
                action=np.zeros((len(no), 2), np.float32),
                observation=seen,
                reward=np.zeros(len(no)),
                terminated=no,
                truncated=no,
            )
            return len(no)

        with_envs.begin(seen)
        print(f"steps added by {num_envs:>2} environments       {measure(step, args.repeats)}")


if __name__ == "__main__":
    main()
