"""What a session tells of its plan, in the words of ONNX Runtime."""

from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.provenance import Provenance


@dataclass(frozen=True, slots=True)
class NodeArg:
    """An input or output, with the attributes that onnxruntime's have.

    Open dimensions stand in `shape` by their names, those without as None; it is empty where not
    even the rank is known.
    """

    name: str
    shape: list[int | str | None]
    type: str

    @classmethod
    def of(cls, port: Port) -> "NodeArg":
        short = {"float32": "float", "float64": "double"}.get(port.dtype, port.dtype)
        dims = () if port.declared == ANY_RANK else port.declared
        shape = [None if dim == "?" else dim for dim in dims]
        return cls(port.name, shape, f"tensor({short})")


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What `onnxruntime.ModelMetadata` tells, as far as a plan knows it.

    `custom_metadata_map` says what the plan was made from: the model's digest, the CPU and its
    threads, the version of stagecut.
    """

    graph_name: str
    custom_metadata_map: Mapping[str, str]
    producer_name: str = "stagecut"
    description: str = ""
    graph_description: str = ""
    domain: str = ""
    version: int = 0

    @classmethod
    def of(cls, origin: Provenance) -> "ModelMetadata":
        made_from = {
            "model_sha256": origin.model_sha256,
            "cpu": origin.cpu,
            "threads": str(origin.threads),
            "stagecut": origin.stagecut,
        }
        return cls(origin.model, made_from)
