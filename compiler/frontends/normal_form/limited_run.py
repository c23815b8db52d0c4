"""Run a model once, for so long and no longer: a Loop may never end."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from stagecut.compiler.ir.errors import ModelError

#: Models that have to run once for their shapes do it on sample inputs, in one thread.
_LIMIT_S = 120.0


def run_within_limit(session: Any, feeds: Mapping[str, Any], where: str) -> Sequence[Any]:
    """All outputs of `session`, one of ONNX Runtime; raises ModelError when it takes too long.

    It looks between two nodes whether it shall go on, in the bodies of loops, too.
    """
    from stagecut.compiler.onnx_runtime import ort

    options = ort.RunOptions()
    options.log_severity_level = 4
    timer = threading.Timer(_LIMIT_S, _terminate, [options])
    timer.daemon = True
    timer.start()
    try:
        outputs: Sequence[Any] = session.run(None, feeds, options)
    except Exception:  # the engine's errors have no narrower class in common
        if not options.terminate:
            raise
        raise ModelError(
            f"does not end within {_LIMIT_S:g} s on its sample inputs, and some of its shapes are "
            "known only when it has run",
            where=where,
            fix="give inputs on which its loops end (--input), or export it with fixed shapes",
        ) from None
    finally:
        timer.cancel()
    return outputs


def _terminate(options: Any) -> None:
    options.terminate = True
