"""The compiler: the data types of the flow, frontends, the plan file, the pipeline, reports.

`compile_model` and `Plan` are loaded when first asked for, so that importing one small module
of this package stays cheap.
"""

TYPE_CHECKING = False  # typing takes a while to load, and until main() runs Ctrl-C is a traceback
if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import Plan as Plan
    from stagecut.compiler.pipeline import compile_model as compile_model

__all__ = ["Plan", "compile_model"]


def __getattr__(name: str) -> object:
    if name == "compile_model":
        from stagecut.compiler.pipeline import compile_model

        return compile_model
    if name == "Plan":
        from stagecut.compiler.formats.plan_file import Plan

        return Plan
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
