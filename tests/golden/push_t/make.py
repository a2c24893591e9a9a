"""Record states.npz: what stable-worldmodel's swm/PushT-v1 does with random actions.

Run where stable-worldmodel is installed (0.1.1 was used, with pymunk 7.3.1):

    python tests/golden/push_t/make.py

Each episode begins in a random state without velocity and goes from one random waypoint to the next.
Episodes in which the block comes near a wall are left out: there the original's thin walls let the
block through, and what happens depends on the solver's cache, which no state shows.
"""

from pathlib import Path

import numpy as np
from stable_worldmodel.envs.pusht.env import PushT  # type: ignore[import-not-found]

PATH = Path(__file__).parent / "states.npz"
EPISODES, STEPS, HOLD = 3, 250, 10
CORNERS = np.array([(-60, 0), (60, 0), (-60, 30), (60, 30), (-15, 120), (15, 120)])
SHAPES = ("L", "T", "Z", "square", "I", "small_tee", "+")
LEAST = 20.0
"""Distance of the block's corners from the border, px."""
LEAST_MOVED = 0.4
"""Share of the steps in which the block moves."""


def record(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Actions (STEPS, 2) and states (STEPS + 1, 7) of one episode."""
    rng = np.random.default_rng(seed)
    env = PushT()
    env.reset(seed=seed)
    env._set_state(np.array([*rng.uniform(100, 400, 2), *rng.uniform(200, 300, 2), rng.uniform(0, 2 * np.pi), 0, 0]))
    states, actions = [env._get_obs()], []
    for step in range(STEPS):
        if step % HOLD == 0:
            waypoint = np.clip(states[-1][2:4] + rng.normal(0, 80, 2), 100, 410)
        actions.append(np.clip((waypoint - states[-1][:2]) / 200 + rng.normal(0, 0.1, 2), -1, 1))
        states.append(env.step(actions[-1])[0]["state"])
    return np.array(actions), np.array(states)


def wanted(states: np.ndarray) -> bool:
    """Whether the block stays away from the walls and is pushed often."""
    sine, cosine = np.sin(states[:, 4:5]), np.cos(states[:, 4:5])
    x = states[:, 2:3] + cosine * CORNERS[:, 0] - sine * CORNERS[:, 1]
    y = states[:, 3:4] + sine * CORNERS[:, 0] + cosine * CORNERS[:, 1]
    moved = (np.abs(np.diff(states[:, 2:5], axis=0)).max(axis=1) > 1e-3).mean() > LEAST_MOVED
    return bool(moved and min(x.min(), y.min()) > LEAST and max(x.max(), y.max()) < 512 - LEAST)


def body(name: str) -> tuple[float, float, float]:
    """Moment of inertia and centre of gravity of a shape at scale 30."""
    env = PushT()
    env.reset(seed=0)
    made = env.add_shape(name, position=(0, 0), angle=0, scale=30)
    return made.moment, *made.center_of_gravity


def main() -> None:
    """Record episodes until there are enough."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    seed = 0
    while len(found) < EPISODES:
        actions, states = record(seed)
        if wanted(states):
            found.append((actions, states))
        seed += 1
    np.savez_compressed(
        PATH,
        actions=np.stack([a for a, _ in found]),
        states=np.stack([s for _, s in found]),
        bodies=np.array([body(name) for name in SHAPES]),
    )


if __name__ == "__main__":
    main()
