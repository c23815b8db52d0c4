"""Whether sums of products of 8 bits have 16 bits or 32."""

import pytest

from stagecut.backends.quantised import sums
from stagecut.backends.quantised.scheme import Scheme

SETS = {
    "AVX2 alone": (("avx2",), True),
    "AVX-512 without VNNI": (("avx2", "avx512f"), True),
    "VNNI of either kind": (("avx2", "avx_vnni"), False),
    "VNNI of 512 bits": (("avx2", "avx512f", "avx512_vnni"), False),
    "AMX": (("avx2", "amx_int8"), False),
    "no x86": ((), False),
}


@pytest.mark.parametrize(("sets", "narrow"), SETS.values(), ids=SETS.keys())
def test_how_wide_they_are(
    sets: tuple[str, ...], narrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "instruction_sets", lambda: sets)
    assert sums.sums_are_narrow() == narrow


def test_options_say_what_weights_are() -> None:
    static = Scheme.of("int8-static", "d", {}, narrow=True)
    assert sums.with_weights(static, {"threads": "2"}) == {"threads": "2", "weights": "7"}
    for other in (Scheme.of("int8", "d", {}), None):
        assert sums.with_weights(other, {"threads": "2"}) == {"threads": "2"}
