"""The optimiser: HuMoR's test-time optimisation as values and pure functions. Knows no window.

``load_session`` is the way in for scripts and notebooks. Importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optim.session.session import Session

__all__ = ["load_session"]


def load_session(**options: Any) -> Session:
    """Read and check the data and the models, and begin a fit.

    Each flag of ``--help`` that says what is fitted, and how, is a keyword here: ``num_iters=(3, 5, 3)`` stands for
    ``--num-iters 3 5 3``, and ``data_path="walk.npz"`` for ``--data-path walk.npz``. Without any, the demo is fitted.

    ``session.step_iteration()`` does one iteration, ``session.run()`` all of them; a notebook shows a session as a
    table of its losses with a picture. ``docs/notebooks/step_a_fit.ipynb`` is an example.

    Returns:
        A session before its first iteration. It writes no file.

    Raises:
        InputError: An option is unknown, or a file, a value or a combination of options cannot be used.
    """
    from optim.config.settings import settings_from
    from optim.loading.problem import load_session as load

    return load(settings_from(options))
