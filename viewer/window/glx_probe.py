"""Program that asks the X display for an OpenGL 3.3 context, as the window needs it, and says what is missing.

It runs in a separate process, because some drivers crash instead of refusing. If a context is available, it prints
nothing and ends with status 0. Otherwise it prints one line and ends with ``REFUSED``, or with ``NO_ANSWER`` if another
attempt may succeed. Uses only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import sys

REFUSED, NO_ANSWER = 3, 4
_RGBA_AND_PBUFFER = (0x8011, 1, 0x8010, 4)  # GLX_RENDER_TYPE: RGBA, GLX_DRAWABLE_TYPE: pbuffer
_CORE_3_3 = (0x2091, 3, 0x2092, 3, 0x9126, 1, 0x2094, 2)  # version 3.3, core profile, forward compatible
_RGBA_TYPE, _GL_RENDERER, _GL_VERSION = 0x8014, 0x1F01, 0x1F02
_WIDTH, _HEIGHT = 0x8041, 0x8040  # Of a pbuffer.
_ERROR_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


@_ERROR_HANDLER
def _ignore(display: int, error: int) -> int:
    """Ignore an error of X; the function that caused it then returns None."""
    return 0


class NoAnswer(Exception):  # noqa: N818 (a state of affairs)
    """No X server answers."""


def problem() -> str | None:
    """Why OpenGL 3.3 is not available at $DISPLAY; None if it is available.

    Raises:
        NoAnswer: No X server answers there.
        OSError: A library is missing.
    """
    name = os.environ.get("DISPLAY", "")
    x, gl = _libraries()
    display = ctypes.c_void_p(x.XOpenDisplay(None))
    if not display:
        raise NoAnswer(f"no X server answers at DISPLAY={name}")
    x.XSetErrorHandler(_ignore)
    if not gl.glXQueryExtension(display, None, None):
        return f"the X server at DISPLAY={name} has no GLX, which OpenGL needs"
    count = ctypes.c_int(0)
    configs = gl.glXChooseFBConfig(display, x.XDefaultScreen(display), _words(_RGBA_AND_PBUFFER), ctypes.byref(count))
    if not configs or not count.value:
        return f"the X server at DISPLAY={name} offers OpenGL no way to draw in colour"
    config = ctypes.c_void_p(configs[0])
    address = gl.glXGetProcAddressARB(b"glXCreateContextAttribsARB")
    if address:
        create = ctypes.CFUNCTYPE(ctypes.c_void_p, *[ctypes.c_void_p] * 3, ctypes.c_int, ctypes.c_void_p)(address)
        if create(display, config, None, 1, ctypes.cast(_words(_CORE_3_3), ctypes.c_void_p)):
            return None
    return f"OpenGL 3.3 is needed, and DISPLAY={name} has {_what_there_is(gl, display, config)}"


def _what_there_is(gl: ctypes.CDLL, display: ctypes.c_void_p, config: ctypes.c_void_p) -> str:
    """Version and renderer of the context that is created when no version is requested."""
    context = ctypes.c_void_p(gl.glXCreateNewContext(display, config, _RGBA_TYPE, None, 1))
    if context and not gl.glXIsDirect(display, context):
        return "only indirect OpenGL, as over ssh -X or with LIBGL_ALWAYS_INDIRECT"
    drawable = ctypes.c_ulong(gl.glXCreatePbuffer(display, config, _words((_WIDTH, 8, _HEIGHT, 8))))
    if not context or not drawable or not gl.glXMakeContextCurrent(display, drawable, drawable, context):
        return "none"
    told = [(gl.glGetString(what) or b"").decode("latin-1") for what in (_GL_VERSION, _GL_RENDERER)]
    return f"OpenGL {told[0]} ({told[1]})" if told[0] else "none"


def _libraries() -> tuple[ctypes.CDLL, ctypes.CDLL]:
    """The libraries Xlib and OpenGL, with the argument and result types of the functions that are called."""
    x, gl = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libGL.so.1")
    pointer, number, numbers = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    x.XOpenDisplay.restype = pointer
    x.XDefaultScreen.argtypes = [pointer]
    gl.glXQueryExtension.argtypes = [pointer] * 3
    gl.glXChooseFBConfig.argtypes = [pointer, number, numbers, numbers]
    gl.glXChooseFBConfig.restype = ctypes.POINTER(pointer)
    gl.glXGetProcAddressARB.restype = pointer
    gl.glXCreateNewContext.argtypes = [pointer, pointer, number, pointer, number]
    gl.glXCreateNewContext.restype = pointer
    gl.glXIsDirect.argtypes = [pointer, pointer]
    gl.glXCreatePbuffer.argtypes = [pointer, pointer, numbers]
    gl.glXCreatePbuffer.restype = ctypes.c_ulong
    gl.glXMakeContextCurrent.argtypes = [pointer, ctypes.c_ulong, ctypes.c_ulong, pointer]
    gl.glGetString.restype = ctypes.c_char_p
    return x, gl


def _words(values: tuple[int, ...]) -> ctypes.Array[ctypes.c_int]:
    """A list of attributes, ended by 0."""
    return (ctypes.c_int * (len(values) + 1))(*values, 0)


if __name__ == "__main__":
    try:
        found = problem()
    except OSError as error:
        found = f"{error}; install libgl1 libx11-6"
    except NoAnswer as error:
        print(error)
        sys.exit(NO_ANSWER)
    if found is not None:
        print(found)
        sys.exit(REFUSED)
