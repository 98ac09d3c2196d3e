"""PyTorch source: executed beside the reference, clean, of the exact names, and as short as a person's."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlang.backends.python_source.build import binary, compare, function, ternary, unary
from cnnlang.backends.python_source.code import Code, Lit, Unknown, Var, quoted
from cnnlang.backends.python_source.evaluate import evaluate
from cnnlang.backends.torch_source import emit, refusals
from cnnlang.backends.torch_source.names import CONTAINER_ATTRIBUTES, MODULE_ATTRIBUTES, is_reserved
from cnnlang.errors import FindingsError
from cnnlang.expand import check
from cnnlang.interpret import interpret
from cnnlang.ops import OPERATORS
from cnnlang.ops.base import Op, op
from cnnlang.program import Program
from cnnlang.source import Source
from cnnlang.syntax import read_source
from tests.block_texts import BlockTexts
from tests.helpers import assert_close, is_steady, random_inputs, random_weights
from tests.torch_programs import PROGRAMS, SIZES

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "torch"
THOROUGH = settings().max_examples if settings().max_examples > 100 else 0  # with a profile that says so
EXAMPLES = sorted((ROOT / "examples").glob("*.cnn"))


def programs_of(path: Path) -> dict[str, Program]:
    return dict(check(read_source(path)).programs)


def program_of(text: str) -> Program:
    result = check(Source("net.cnn", f"cnn 1\n{text}"))
    assert not result.has_errors, [d.message for d in result.diagnostics]
    return list(result.programs.values())[-1]


def example(name: str, net: str) -> Program:
    return programs_of(ROOT / "examples" / f"{name}.cnn")[net]


def module_of(text: str, folder: Path) -> ModuleType:
    """The emitted text as an imported module."""
    path = folder / "emitted.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("emitted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def net_class(text: str) -> str:
    """The net's own class is the last."""
    return [n.name for n in ast.parse(text).body if isinstance(n, ast.ClassDef)][-1]


def built(program: Program, folder: Path) -> torch.nn.Module:
    """The emitted net; its names and shapes are the program's, no more and no less."""
    torch.set_num_threads(1)
    text = emit(program)
    net: torch.nn.Module = getattr(module_of(text, folder), net_class(text))()
    state = {k: tuple(v.shape) for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert state == {path: node.type.shape for path, node in program.training_graph.weights.items()}
    return net


def run(net: torch.nn.Module, inputs: tuple[np.ndarray[Any, Any], ...]) -> tuple[np.ndarray[Any, Any], ...]:
    with torch.no_grad():
        result = net(*map(torch.from_numpy, inputs))
    return tuple(r.numpy() for r in (result if isinstance(result, tuple) else (result,)))


def agree(program: Program, folder: Path, sizes: dict[str, int]) -> None:
    """The emitted net with random weights gives what the reference gives, for batches of 1 and 3."""
    net = built(program, folder)
    weights = random_weights(program.training_graph)
    net.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    net.eval()
    for batch in (1, 3):
        inputs = random_inputs(program.graph, {"N": batch, **sizes})
        reference = interpret(program.graph, weights, *inputs)
        results = run(net, inputs)
        assert len(results) == len(reference)
        if is_steady(program.graph, weights, inputs, reference):
            for actual, expected in zip(results, reference, strict=True):
                assert_close(actual, expected)
    if program.aux:
        net.train()
        assert len(run(net, inputs)) == len(program.graph.outputs) + len(program.aux)


@pytest.mark.parametrize("title", PROGRAMS)
def test_it_computes_what_the_file_says(title: str, tmp_path: Path) -> None:
    agree(program_of(PROGRAMS[title]), tmp_path, SIZES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_have_the_names_of_their_weights(path: Path, tmp_path: Path) -> None:
    programs = programs_of(path)
    assert programs
    for program in programs.values():
        built(program, tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_the_examples_compute_what_they_say(path: Path, tmp_path: Path) -> None:
    """On small pictures, where the reference takes seconds and not minutes."""
    side = 96 if path.stem in ("alexnet", "googlenet", "squeezenet") else 64
    text = re.sub(r", (resize|crop) = \d+|check \{[^}]*\}", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"22[47], 22[47]\]", f"{side}, {side}]", text)
    programs = check(Source(str(path), text, path)).programs
    assert programs
    for name, program in programs.items():
        if name not in ("ResNet34", "ResNet101", "ResNet152", "Exercise2"):  # of the same blocks, or the same layers
            agree(program, tmp_path, {"H": 16, "W": 16} if path.stem == "edges" else {"H": 1, "W": 2})


def test_no_block_of_the_examples_needs_a_second_class() -> None:
    for path in EXAMPLES:
        for program in programs_of(path).values():
            blocks = {id(s.definition) for s in program.scopes() if s.kind == "block"}
            assert emit(program).count("\nclass ") == len(blocks) + 1, program.name


def test_ruff_finds_nothing_to_say(tmp_path: Path) -> None:
    texts = [emit(program_of(text)) for text in PROGRAMS.values()]
    texts += [emit(program) for path in EXAMPLES for program in programs_of(path).values()]
    for i, text in enumerate(texts):
        (tmp_path / f"net_{i}.py").write_text(text, encoding="utf-8")
    for command in (
        ["check", "--isolated", "--quiet"],
        ["check", "--isolated", "--quiet", "--select", "E4,E7,E9,F,I"],  # the defaults of older versions, and imports
        ["format", "--isolated", "--diff", "--quiet"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_needs_nothing_but_torch(tmp_path: Path) -> None:
    (tmp_path / "lenet.py").write_text(emit(example("lenet5", "LeNet5")), encoding="utf-8")
    code = "import sys, lenet; lenet.LeNet5(); assert not any(m.startswith('cnnlang') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("name", "net"), [("lenet5", "LeNet5"), ("resnet", "ResNet50"), ("resnet", "ResNet152"), ("googlenet", "GoogLeNet")]
)
def test_golden_source(name: str, net: str, update_golden: bool) -> None:
    path = GOLDEN / f"{net.lower()}.py"
    text = emit(example(name, net))
    if update_golden:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "net", "lines"),
    [
        ("lenet5", "LeNet5", 32),
        ("vgg16", "VGG16", 65),
        ("resnet", "ResNet152", 70),
        ("googlenet", "GoogLeNet", 105),
        ("densenet121", "DenseNet121", 95),
        ("mobilenetv2", "MobileNetV2", 92),
        ("unet", "UNet", 70),
    ],
)
def test_it_is_short(name: str, net: str, lines: int) -> None:
    assert len(emit(example(name, net)).splitlines()) <= lines


def test_the_same_program_gives_the_same_text() -> None:
    for text in list(PROGRAMS.values())[:20]:
        assert emit(program_of(text)) == emit(program_of(text))


def test_a_nets_parameter_stays_one_where_it_may(tmp_path: Path) -> None:
    text = emit(example("unet", "UNet"))
    net = module_of(text, tmp_path).UNet(classes=3, width=8)
    assert net.mask.weight.shape == (3, 8, 1, 1)
    assert net(torch.zeros(1, 3, 32, 16)).shape == (1, 3, 32, 16)


# --- the constants and the docstring ----------------------------------------------------------------------------------


def test_labels_and_preprocessing_are_constants(tmp_path: Path) -> None:
    program = program_of(PROGRAMS["labels, metadata and texts that try to break out"])
    module: Any = module_of(emit(program), tmp_path)
    assert tuple(module.LABELS) == program.labels
    assert (module.MEAN, module.STD, module.SCALE, module.COLOR) == ([0.1, 0.2, 0.3], 0.5, 1 / 255, "bgr")
    assert (module.RESIZE, module.CROP, module.INVERT) == (8, 6, True)
    assert module.__doc__.startswith("A: [N, 3, 6, 6] to [N, 12], 1,308 parameters.\n")
    assert '\nSource: """ + exec(\'1\') + """\nLicence: ends with "\n' in module.__doc__


@given(st.text())
def test_a_string_is_quoted_so_that_it_stays_itself(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    assert "\n" not in quoted(text)


# --- what PyTorch cannot say ------------------------------------------------------------------------------------------


def test_the_names_that_modules_keep_are_known() -> None:
    own = {n for n in dir(torch.nn.Module()) if not n.startswith("__")}
    containers = {n for c in (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict) for n in dir(c())}
    assert own <= MODULE_ATTRIBUTES
    assert {n for n in containers if not n.startswith("__")} <= MODULE_ATTRIBUTES | CONTAINER_ATTRIBUTES
    assert not any(map(is_reserved, ("0", "conv1", "append")))
    assert all(map(is_reserved, ("class", "__x", "ﬁ", "half", "a-b")))


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ("conv(2, 3) as half -> relu", ["half"]),
        ('conv(2, 3) as "a.type.b" -> bn as cpu', ["type", "cpu"]),
        ("group forward { conv(2, 3) }", ["forward"]),
        ("shared eval = conv(2, 3, pad=1)\neval -> conv(1, 1) -> eval", ["eval"]),
        ("{ conv(2, 3) -> relu } * 2 as modules", ["modules"]),
        ("conv(2, 3) as c -> relu\naux apply = c -> global_avgpool -> dense(2)", ["apply"]),
    ],
)
def test_a_reserved_name_is_a_finding(body: str, names: list[str]) -> None:
    program = program_of(f"net A {{ input x: [N, 1, 9, 9]\n{body}\n}}")
    with pytest.raises(FindingsError) as raised:
        emit(program)
    found = raised.value.diagnostics
    assert [d.code for d in found] == ["E0402"] * len(names)
    assert [d.message for d in found] == [f"PyTorch reserves the name `{n}`" for n in names]
    assert all(d.span is not None and names[i] in d.span.text for i, d in enumerate(found))


def test_a_word_of_python_is_a_finding_of_its_own() -> None:
    program = program_of('net A { input x: [N, 1, 9, 9]\nconv(2, 3) as lambda -> conv(2, 3) as "class" }')
    found = refusals(program)
    assert [d.message for d in found] == [f"Python reserves the name `{n}`" for n in ("lambda", "class")]


def test_a_value_may_be_called_what_a_layer_may_not(tmp_path: Path) -> None:
    program = program_of("net A { input x: [N, 1, 9, 9]\nrelu as half -> conv(2, 3)\nconcat { | in | conv(1, 1) }\n}")
    agree(program, tmp_path, {})


def test_an_operator_without_a_rule_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    @op("cube")
    class Cube(Op):
        def result(self, *inputs: Any) -> Any:
            return inputs[0]

        def reference(self, *inputs: Any) -> Any:
            return inputs[0] ** 3

    try:
        program = program_of("net A { input x: [N, 1, 9, 9]\nconv(2, 3) -> cube -> relu -> cube\n}")
        with pytest.raises(FindingsError) as raised:
            emit(program)
        assert [d.code for d in raised.value.diagnostics] == ["E0401", "E0401"]
        assert raised.value.diagnostics[0].message == "the target `torch` has nothing for `cube`"
        assert raised.value.diagnostics[0].span is not None
        assert raised.value.diagnostics[0].span.text == "cube"
        monkeypatch.setattr(Cube, "torch", "{x} ** 3")
        assert "x = F.relu(x**3)" in emit(program)
    finally:
        del OPERATORS["cube"]


def test_a_shared_value_that_would_be_two_modules_is_a_finding() -> None:
    program = program_of("""
block b() { conv(2, 1) as first
  if in.height > 4 { maxpool(2) } }
net A { input x: [N, 2, 8, 8]
  shared s = b()
  s -> s -> s }""")
    with pytest.raises(FindingsError) as raised:
        emit(program)
    assert [d.code for d in raised.value.diagnostics] == ["E0401"]


# --- laws -------------------------------------------------------------------------------------------------------------


@settings(max_examples=THOROUGH or 20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_random_blocks_compute_what_the_file_says(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    texts = BlockTexts(Random(seed))
    for _ in range(20):
        result = check(Source("net.cnn", texts.program()))
        if not result.has_errors and len(result.programs["Net"].graph.nodes) < 300:
            agree(result.programs["Net"], tmp_path_factory.mktemp("net"), {})
            return


NAMES = {"a": 3, "b": 2, "c": 1, "flag": True}


def expressions() -> st.SearchStrategy[Code]:
    leaves = st.one_of(st.sampled_from([Var(n) for n in NAMES if n != "flag"]), st.integers(-3, 9).map(Lit))
    signs = st.sampled_from(["+", "-", "*", "//", "%"])

    def larger(inner: st.SearchStrategy[Code]) -> st.SearchStrategy[Code]:
        tests = st.builds(
            lambda a, s, b: compare(a, (s,), (b,)), inner, st.sampled_from(["<", "<=", "==", "!="]), inner
        )
        tests = st.one_of(tests, st.just(Var("flag")))
        both = st.builds(binary, st.sampled_from(["and", "or"]), tests, tests)
        decided = st.one_of(tests, both, st.builds(lambda t: unary("not", t), tests))
        return st.one_of(
            st.builds(binary, signs, inner, inner),
            st.builds(lambda e: unary("-", e), inner),
            st.builds(lambda a, b: binary("**", a, Lit(b)), inner, st.integers(0, 3)),
            st.builds(ternary, inner, decided, inner),
            st.builds(lambda a, b: function("max", (a, b)), inner, inner),
        )

    return st.recursive(leaves, larger, max_leaves=8)


@settings(max_examples=THOROUGH or 100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_an_expression_means_what_its_text_means(data: st.DataObject) -> None:
    try:
        made = data.draw(expressions())
        value = evaluate(made, NAMES)
    except Unknown:  # a division by zero
        return
    assert eval(str(made), {"max": max, "min": min, "bool": bool}, dict(NAMES)) == value
