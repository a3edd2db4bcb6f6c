"""The inner loops of a roll-out and of inference-only networks, compiled for the processor they run on.

What is compiled is kept in the user's cache folder: the first roll-out on a machine waits some seconds for it. The
folder is named after the sources of this package, so that a kernel never runs on what another one has left there.
"""

from __future__ import annotations

import numba

from optim.priors.fast import cache

numba.config.CACHE_DIR = str(cache.folder())  # type: ignore[attr-defined]
# Reassociation for vector instructions; not the rest of "fast": what is not finite must stay so.
compiled = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
