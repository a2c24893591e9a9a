"""The OpenGL context of this process, for drawing without a screen.

There is one context per process, whatever the number of renderers. A block of `current` has it to
itself and gives it back at the end, so that any thread may draw, one at a time.

The environment variable ``MUJOCO_GL`` chooses: ``egl`` (the default on Linux; OSMesa where EGL does
not work), ``osmesa`` or ``glfw`` (those alone; the default elsewhere is ``glfw``).
"""

import atexit
import ctypes
import ctypes.util
import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import mujoco

from swm.core.errors import SwmError

_DEFAULT = ("egl", "osmesa") if sys.platform == "linux" else ("glfw",)
_ORDER = {"": _DEFAULT, "egl": ("egl", "osmesa"), "osmesa": ("osmesa",), "glfw": ("glfw",)}
_GL_RENDERER = 0x1F01
_GL_FLOAT = 0x1406
_OSMESA_RGBA = 0x1908


@dataclass(frozen=True, kw_only=True)
class GLContext:
    """An OpenGL context that a thread takes and gives back."""

    backend: str
    take: Callable[[], None]
    """Make it current in this thread; raises where that fails."""
    release: Callable[[], None]
    """Make none current in this thread."""
    address: Callable[[bytes], int | None]
    """The address of an OpenGL function."""
    pid: int

    @functools.cached_property
    def renderer(self) -> str:
        """What draws, in the driver's words; needs the context to be current."""
        get_string = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_uint)(self.address(b"glGetString") or 0)
        return (get_string(_GL_RENDERER) or b"unknown").decode()


def _egl() -> GLContext:
    from mujoco import egl

    context, library = egl.GLContext(16, 16), egl.EGL
    atexit.register(context.free)  # before the modules that it needs are gone

    def release() -> None:
        none = library.EGL_NO_SURFACE
        library.eglMakeCurrent(egl.EGL_DISPLAY, none, none, library.EGL_NO_CONTEXT)

    def address(name: bytes) -> int | None:
        return ctypes.cast(library.eglGetProcAddress(name), ctypes.c_void_p).value

    return GLContext(backend="egl", take=context.make_current, release=release, address=address, pid=os.getpid())


def _osmesa() -> GLContext:
    """OSMesa without PyOpenGL, which in one process serves either EGL or OSMesa."""
    name = ctypes.util.find_library("OSMesa") or "libOSMesa.so.8"
    library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.OSMesaCreateContextExt.argtypes = (integer, integer, integer, integer, pointer)
    library.OSMesaCreateContextExt.restype = pointer
    library.OSMesaMakeCurrent.argtypes = (pointer, pointer, integer, integer, integer)
    library.OSMesaGetProcAddress.argtypes, library.OSMesaGetProcAddress.restype = (ctypes.c_char_p,), pointer
    os.environ["MUJOCO_GL"] = "osmesa"  # MuJoCo looks here for the library of its OpenGL functions
    context = library.OSMesaCreateContextExt(_OSMESA_RGBA, 24, 8, 0, None)
    buffer = (ctypes.c_float * (16 * 16 * 4))()

    def take() -> None:
        if not context or not library.OSMesaMakeCurrent(context, buffer, _GL_FLOAT, 16, 16):
            raise RuntimeError("OSMesa gave no context")

    def release() -> None:
        library.OSMesaMakeCurrent(None, None, 0, 0, 0)

    address = library.OSMesaGetProcAddress
    return GLContext(backend="osmesa", take=take, release=release, address=address, pid=os.getpid())


def _glfw() -> GLContext:
    from mujoco.glfw import GLContext as Window

    glfw: Any = importlib.import_module("glfw")
    window: Any = Window(16, 16)
    return GLContext(
        backend="glfw",
        take=window.make_current,
        release=lambda: glfw.make_context_current(None),
        address=lambda name: ctypes.cast(glfw.get_proc_address(name.decode()), ctypes.c_void_p).value,
        pid=os.getpid(),
    )


_MAKERS = {"egl": _egl, "osmesa": _osmesa, "glfw": _glfw}


@functools.cache
def gl_context() -> GLContext:
    """The process's OpenGL context, made at the first call.

    Raises:
        SwmError: there is no OpenGL here.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted not in _ORDER:
        raise SwmError(f"MUJOCO_GL={wanted} leaves no OpenGL to draw with; unset it, or set it to egl, osmesa or glfw.")
    problems = []
    for backend in _ORDER[wanted]:
        try:
            context = _MAKERS[backend]()
            context.take()
            _try_out()
            context.release()
        except Exception as error:
            problems.append(f"{backend}: {error!r}")
        else:
            return context
    raise SwmError(
        "no OpenGL for drawing without a screen. Install it: apt-get install libegl1 libgl1 libegl-mesa0 "
        f"libgl1-mesa-dri libosmesa6; `swm doctor` checks it. Tried {'; '.join(problems)}."
    )


def _try_out() -> None:
    """Make and free MuJoCo's resources for an empty model: fails where OpenGL is there in name alone."""
    mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_50.value).free()


_lock = threading.RLock()
_depth = 0


@contextmanager
def current() -> Iterator[GLContext]:
    """Have the process's OpenGL context, in this thread alone; blocks may be nested.

    Raises:
        SwmError: there is no OpenGL here, or this process was forked from one that has drawn.
    """
    global _depth
    with _lock:
        context = gl_context()
        if context.pid != os.getpid():
            raise SwmError(
                "this process was forked from one that has drawn pictures, and OpenGL does not survive a fork; "
                "start worker processes with the method 'spawn' or 'forkserver'."
            )
        if _depth == 0:
            context.take()
        _depth += 1
        try:
            yield context
        finally:
            _depth -= 1
            if _depth == 0:
                context.release()
