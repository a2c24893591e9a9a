"""Checks of this machine, each with the fix for its failure."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Literal

GL_PACKAGES = "libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri libosmesa6"
_MODULES = {
    "dmc": "dm_control",
    "ogbench": "ogbench",
    "robotics": "gymnasium_robotics",
    "atari": "ale_py",
    "minigrid": "minigrid",
    "craftax": "craftax",
}
"""Extra of an environment -> the module that it installs."""
_RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><visual><quality shadowsize='0' offsamples='0'/></visual><worldbody>"
    "<light pos='0 0 3'/><geom size='1' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().max() > 0, "the picture is black"
"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check."""

    name: str
    status: Literal["ok", "warning", "failure"]
    detail: str
    fix: str = ""


def check_machine() -> list[Check]:
    """Run every check; each runs whatever the others found."""
    checks = [_guard(name, check) for name, check in CHECKS.items()]
    return [*checks, *(check_gl(backend) for backend in ("egl", "osmesa"))]


def _guard(name: str, check: Callable[[], Check]) -> Check:
    """Turn whatever a broken installation raises into a failed check."""
    try:
        return check()
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".splitlines()[0]
        return Check(name=name, status="failure", detail=detail, fix="pip install --force-reinstall swm")


def _python() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    return Check(name="python", status="ok", detail=detail)


def _disk() -> Check:
    free = shutil.disk_usage(".").free / 2**30
    detail = f"{free:.0f} GiB free here"
    if free < 2:
        return Check(name="disk", status="warning", detail=detail, fix="free some space, or work on another disk")
    return Check(name="disk", status="ok", detail=detail)


def _torch() -> Check:
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    matrix = torch.eye(3)
    assert torch.equal(matrix @ matrix, matrix), "a matrix product gives a wrong result"
    return Check(
        name="torch",
        status="ok",
        detail=f"{torch.__version__}, {torch.get_num_threads()} threads: {', '.join(devices)}",
    )


def _lance() -> Check:
    import lance

    fix = "pip uninstall -y lance pylance && pip install 'pylance>=12,<15'"
    if not hasattr(lance, "write_dataset"):
        detail = "the module 'lance' is the unrelated PyPI project of that name, not pylance"
        return Check(name="lance", status="failure", detail=detail, fix=fix)
    version = metadata.version("pylance")
    if not 12 <= int(version.split(".")[0]) < 15:
        return Check(name="lance", status="failure", detail=f"pylance {version} is not supported", fix=fix)
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        table = pa.table({"x": [1, 2, 3]})
        lance.write_dataset(table, f"{folder}/t.lance", data_storage_version="2.2")
        assert lance.dataset(f"{folder}/t.lance").to_table() == table, "a table did not survive a round trip"
    return Check(name="lance", status="ok", detail=f"pylance {version}, pyarrow {pa.__version__}")


def _jpeg() -> Check:
    import numpy as np
    import simplejpeg

    picture = np.full((16, 16, 3), 90, np.uint8)
    back = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(picture, quality=95))
    assert np.abs(back.astype(int) - picture).max() < 8, "a JPEG did not survive a round trip"
    return Check(name="jpeg", status="ok", detail=f"simplejpeg {metadata.version('simplejpeg')}")


def _video() -> Check:
    import io

    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frames = [av.VideoFrame.from_ndarray(np.full((32, 32, 3), 60 * i, np.uint8), format="rgb24") for i in range(3)]
        for frame in [*frames, None]:
            out.mux(stream.encode(frame))
    buffer.seek(0)
    with av.open(buffer, "r") as source:
        count = len(list(source.decode(video=0)))
    assert count == 3, f"{count} of 3 frames came back"
    return Check(name="video", status="ok", detail=f"PyAV {av.__version__} with H.264")


def _envs() -> Check:
    from swm.envs import ENVS

    missing = [extra for extra, module in _MODULES.items() if find_spec(module) is None]
    if not missing:
        return Check(name="envs", status="ok", detail=f"{len(ENVS)}, and every optional package")
    detail = f"{len(ENVS)}; optional and not installed: {', '.join(missing)}"
    return Check(name="envs", status="ok", detail=detail, fix=f"if wanted: pip install 'swm[{','.join(missing)}]'")


def check_gl(backend: str) -> Check:
    """Render one MuJoCo picture off screen, in a process of its own.

    Args:
        backend: what ``MUJOCO_GL`` shall be: ``"egl"`` or ``"osmesa"``.
    """
    env = {**os.environ, "MUJOCO_GL": backend}
    run = subprocess.run([sys.executable, "-c", _RENDER], env=env, capture_output=True, text=True, timeout=120)
    if run.returncode == 0:
        return Check(
            name=f"gl {backend}", status="ok", detail=f"MuJoCo {metadata.version('mujoco')} renders off screen"
        )
    lines = run.stderr.strip().splitlines() or ["no message"]
    return Check(
        name=f"gl {backend}",
        status="warning",
        detail=f"MuJoCo cannot render: {lines[-1]}",
        fix=f"apt-get update && apt-get install -y {GL_PACKAGES}",
    )


CHECKS: dict[str, Callable[[], Check]] = {
    "python": _python,
    "disk": _disk,
    "torch": _torch,
    "lance": _lance,
    "jpeg": _jpeg,
    "video": _video,
    "envs": _envs,
}
