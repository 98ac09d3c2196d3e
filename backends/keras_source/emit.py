"""The file: its docstring, imports, constants and functions."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from cnnlang.backends.keras_source.compiler import KerasCompiler, Made
from cnnlang.backends.keras_source.names import MODULE_NAMES, layer_name
from cnnlang.backends.keras_source.refusals import compiled, refuse_names
from cnnlang.backends.python_source.code import Argument, Call, Entry, Items, Lit, Local, Value
from cnnlang.backends.python_source.file import constants, docstring, template
from cnnlang.backends.python_source.layout import STEP, fits, rendered, statement
from cnnlang.diagnostics import Diagnostic
from cnnlang.errors import FindingsError
from cnnlang.ops import Op
from cnnlang.ops.base import Weight
from cnnlang.ops.conv import Conv, Deconv, Depthwise
from cnnlang.ops.dense import Dense
from cnnlang.ops.elementwise import Prelu
from cnnlang.ops.norm import BatchNorm, GroupNorm
from cnnlang.program import Program

PACKAGE = "cnnlang.backends.keras_source"


def emit(program: Program) -> str:
    """The Python source of a net, for Keras 3.8 and later.

    The net's function has its name and is the last but `load_weights`. It makes a `keras.Model` (a `keras.Sequential`
    where each step follows the one before it) that takes channels-last inputs in their order and returns the output, or
    a list of them; with `with_aux=True` the results of the auxiliary heads too. `load_weights(model, path)` fills it
    from a safetensors file; there is none where the net has no weights.

    Raises
    ------
    FindingsError
        E0401 for what Keras has nothing for; E0402 for a name that it keeps for itself.
    """
    compiler = compiled(program)
    functions = [_function(made) for made in compiler.made]
    refuse_names(program, "\n".join(functions))
    parts = [*_helpers(compiler.helpers, functions), *functions]
    if program.training_graph.weights:
        parts.append(_loader(program, compiler, "\n".join(parts)))
    text = template(PACKAGE, "module.py.jinja").render(
        docstring=docstring(program, channels_last=True),
        uses=_used("\n\n\n".join(parts)),
        constants="\n".join(constants(program, compiler.taken, MODULE_NAMES)),
        parts=parts,
    )
    return text.rstrip("\n") + "\n"


def refusals(program: Program) -> tuple[Diagnostic, ...]:
    """All that the target cannot express, with its place: E0401 and E0402."""
    try:
        emit(program)
    except FindingsError as error:
        return error.diagnostics
    return ()


def _helpers(wanted: set[str], functions: list[str]) -> list[str]:
    """The helpers that the functions use (a rule asks for one wherever it may be used)."""
    read = _names("\n".join(functions))
    return [template(PACKAGE, f"{name}.py.jinja").render().rstrip("\n") for name in sorted(wanted) if name in read]


def _function(made: Made) -> str:
    source = made.source
    arguments = tuple(Argument(Local(p)) for p in made.parameters)
    lines = statement("", Call(Local(f"def {source.name}"), arguments), ":", "")
    if source.docstring:
        lines += _wrapped(f"{source.docstring}.")
    return "\n".join([*lines, *rendered(source.block, STEP)])


def _wrapped(sentence: str) -> list[str]:
    """A docstring: one line where it fits."""
    if fits(f'{STEP}"""{sentence}"""'):
        return [f'{STEP}"""{sentence}"""']
    before, _, after = sentence.rpartition(" to ")
    return [f'{STEP}"""{before}', f"{STEP}to {after}", f'{STEP}"""']


def _loader(program: Program, compiler: KerasCompiler, functions: str) -> str:
    """`load_weights`, with what this net's layers need."""
    graph = program.training_graph
    weights = [(n.op, w.op.spec.name) for n in graph.nodes for w in n.inputs if isinstance(w.op, Weight)]
    kernels = {type(op) for op, leaf in weights if leaf == "weight"}
    roles = {role(op, leaf): leaf for op, leaf in weights}
    rows = {layer_name(path): sizes for path, sizes in compiler.flattening.rows.items()}
    text = template(PACKAGE, "load_weights.py.jinja").render(
        leaves=_table("leaves", {name: roles[name] for name in ROLES if name in roles}),
        kernels=bool(kernels & {Conv, Deconv, Depthwise}),
        depthwise=Depthwise in kernels,
        dense=Dense in kernels,
        rows=_table("flattened", rows) if rows else [],
        heads=_heads(program),
        nested=_has_models(functions),
    )
    return text.rstrip("\n")


def _table(name: str, entries: Mapping[str, Value]) -> list[str]:
    """The lines of a dictionary."""
    return statement(f"{name} = ", Items("{", tuple(Entry(Lit(k), Lit(v)) for k, v in entries.items())), "", STEP)


ROLES = ("kernel", "gamma", "alpha", "bias", "beta", "moving_mean", "moving_variance")


def role(op: Op, leaf: str) -> str:
    """What Keras calls a weight."""
    match op, leaf:
        case _, "running_mean":
            return "moving_mean"
        case _, "running_var":
            return "moving_variance"
        case ((BatchNorm() | GroupNorm()), _):
            return "gamma" if leaf == "weight" else "beta"
        case Prelu(), _:
            return "alpha"
    return "kernel" if leaf == "weight" else "bias"


def _heads(program: Program) -> list[str]:
    """A line that lists where the weights that only auxiliary heads read stand."""
    heads = tuple(f"{scope.path}." for scope in program.scopes() if scope.kind == "aux")
    others = [p for p in program.training_graph.weights if p not in program.graph.weights and not p.startswith(heads)]
    heads += tuple(dict.fromkeys(f"{path.rpartition('.')[0]}." for path in others))
    return statement("heads = ", Lit(heads), "", STEP) if heads else []


def _has_models(functions: str) -> bool:
    """Whether a model is a layer of another one."""
    assigned = (n.value for n in ast.walk(ast.parse(functions)) if isinstance(n, ast.Assign))
    return any(isinstance(v, ast.Call) and ast.unparse(v.func) == "keras.Model" for v in assigned)


def _used(text: str) -> dict[str, bool]:
    """Which of the imported names the functions read."""
    found = _names(text)
    return {name: name in found for name in ("keras", "layers", "ops", "load_file")}


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
