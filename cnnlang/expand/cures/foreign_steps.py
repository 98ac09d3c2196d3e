"""A step that the language does not have: what other frameworks mean by it, and how that is said here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from cnnlang.diagnostics import Edit, Help
from cnnlang.expand.cures.removal import at, remove_step
from cnnlang.expand.cures.suggest import nearest
from cnnlang.ops import OPERATORS
from cnnlang.signature import is_int
from cnnlang.source import Span
from cnnlang.syntax import tree

# How many leading arguments of a foreign call count the inputs, which this language counts by itself.
LEADING = {
    "Conv1d": 1, "Conv2d": 1, "conv2d": 1, "ConvTranspose2d": 1, "Linear": 1, "BatchNorm2d": 1, "BatchNorm1d": 1,
    "BatchNorm": 1, "batchnorm2d": 1, "SyncBatchNorm": 1, "Bilinear": 2,
}  # fmt: skip

# How many trailing ones do.
TRAILING = {"GroupNorm": 1}

# What a foreign name says besides the operator.
SAYS = {
    "ReflectionPad2d": 'mode="reflect"',
    "ReplicationPad2d": 'mode="edge"',
    "UpsamplingBilinear2d": 'mode="bilinear"',
}

# Names under which a later position is another argument than here.
PLACES = {"ConstantPad2d": (1, "value")}

# Where `size` is how large the result is, which here follows from how many times larger it gets.
RESULT_SIZE = ("Upsample", "interpolate")

Cure = tuple[str, str]  # words, and the text to write in place of the call; "" where only its author can know


def foreign_step(call: tree.Call, known: Iterable[str]) -> tuple[Help, ...]:
    """The cure for a step that nothing is called.

    Parameters
    ----------
    call
        The step.
    known
        The blocks and values that could be meant.
    """
    name = call.name.name
    idiom = IDIOMS.get(_plain(name))
    if idiom:
        words, text = idiom(call)
        if text == REMOVE:
            return (Help(words, (remove_step(call.span),)),)
        return (Help(words, (Edit(call.span, text),) if text else ()),)
    foreign = OPERATORS.foreign(name)
    if foreign and OPERATORS[foreign].is_merge:
        return (merged(call, foreign),)
    if foreign:
        return (_renamed(call, foreign),)
    training = _for_training(name)
    if training:
        return (training,)
    aliases = {alias: cls.name for cls in OPERATORS.values() for alias in cls.aliases}
    found = nearest(name, [*OPERATORS, *known])
    if found is None and len(name) > 3:
        found = aliases.get(nearest(name, aliases) or "")
    if found is None:
        return (Help("`cnnlang ops` lists the operators; `block` defines a step of your own"),)
    return (Help(f"did you mean `{found}`?", (Edit(call.name.span, found),)),)


def _for_training(name: str) -> Help | None:
    """What changes pictures while a net is trained stands in its `train`."""
    from cnnlang.training.augment import AUGMENTATIONS

    found = name if name in AUGMENTATIONS else AUGMENTATIONS.foreign(name)
    return Help(f"that is for training: `train {{ augment = {AUGMENTATIONS[found].signature()} }}`") if found else None


def merged(call: tree.Call, merge: str) -> Help:
    """The cure for `add(a, b)` and `cat([a, b], 1)`: branches."""
    values = [a.value for a in call.arguments if a.name is None]
    if values and isinstance(values[0], tree.ListExpr | tree.TupleExpr):
        values = list(values[0].items)
    texts = [v.span.text for v in values if isinstance(v, tree.Name | tree.In | tree.Call)]
    if len(texts) == 1:
        texts.append("in")
    if len(texts) < 2:
        return Help(f"write its branches: `{merge} {{ | first | second }}`")
    text = f"{merge} {{ {' '.join(f'| {t}' for t in texts)} }}"
    return Help(f"write `{text}`", (Edit(call.span, text),))


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _renamed(call: tree.Call, foreign: str) -> Help:
    """The cure for an operator's other name, without the arguments that count what comes in."""
    name = call.name.name
    if name in RESULT_SIZE and any(a.name is not None and a.name.name == "size" for a in call.arguments):
        return Help(f"write how many times larger it gets: `{foreign}(2)`")
    edits = [Edit(call.name.span, foreign)]
    positional = [a for a in call.arguments if a.name is None]
    required = [f.name for f in OPERATORS[foreign].fields() if f.required]
    covered = sum(a.name is not None and _ours(a.name.name, foreign) in required for a in call.arguments)
    spare = len(positional) + covered - len(required)
    leading, trailing = LEADING.get(name, 0), TRAILING.get(name, 0)
    words = f"`{name}` is called `{foreign}` here"
    if leading and spare >= leading and len(positional) >= leading:
        edits.append(_drop_first(call, leading))
        words += ", and what comes in is counted by itself"
    elif trailing and spare >= trailing:
        last, before = positional[-1], positional[-1 - trailing]
        edits.append(Edit(Span(call.span.source, before.span.end, last.span.end), ""))
        words += ", and what comes in is counted by itself"
    if name in SAYS and call.arguments:
        edits.append(Edit(at(call.span, call.arguments[-1].span.end), f", {SAYS[name]}"))
    if name in PLACES and len(positional) > PLACES[name][0]:
        place, argument = PLACES[name]
        edits.append(Edit(at(call.span, positional[place].span.start), f"{argument}="))
    if name == "BatchNormalization":
        edits += _running(call)
    return Help(words, tuple(edits))


def _running(call: tree.Call) -> Iterator[Edit]:
    """Keras's momentum is how much of the running mean stays, PyTorch's and ours how much of it goes."""
    for argument in call.arguments:
        match argument:
            case tree.Argument(name=tree.Name(name="momentum"), value=tree.Constant(value=float(stays)) as value):
                if 0.5 < stays < 1:
                    yield Edit(value.span, f"{1 - stays:.6g}")


def _ours(argument: str, operator: str) -> str:
    return OPERATORS[operator].argument_aliases.get(argument, argument)


def _drop_first(call: tree.Call, count: int) -> Edit:
    arguments = call.arguments
    if len(arguments) == count:
        return Edit(Span(call.span.source, call.name.span.end, call.span.end), "")
    return Edit(Span(call.span.source, arguments[0].span.start, arguments[count].span.start), "")


# --- what has no single counterpart -----------------------------------------------------------------------------------

NO_RESHAPING = (
    "features [N, C] do not become a map again: keep a map of one cell, [N, C, 1, 1] (there `conv(64, 1)` does what "
    "`dense(64)` does), and `deconv(64, 4)` makes a 4x4 map of it"
)
NO_ATTENTION = "the language has no attention; squeeze-and-excitation is `from std.se import se`"
NO_UNPOOLING = "there is no unpooling: `upsample(2)` repeats each cell, `deconv(64, 2, stride=2)` learns to"
REMOVE = "\0"  # no text of a program: take the step away


def _arguments(call: tree.Call) -> tuple[list[str], dict[str, str]]:
    """The texts of a call's arguments, by position and by name."""
    positional = [a.value.span.text for a in call.arguments if a.name is None]
    return positional, {a.name.name: a.value.span.text for a in call.arguments if a.name is not None}


def _first(positional: Sequence[str], named: dict[str, str], *names: str, place: int = 0, default: str = "") -> str:
    return next((named[n] for n in names if n in named), positional[place] if place < len(positional) else default)


def _separable(call: tree.Call) -> Cure:
    positional, named = _arguments(call)
    channels = _first(positional, named, "filters", "out_channels", "channels", default="64")
    kernel = _first(positional, named, "kernel_size", "kernel", place=1, default="3")
    stride = _first(positional, named, "strides", "stride", place=2)
    pad = _first(positional, named, "padding", "pad", place=3)
    pad = {'"valid"': "", '"same"': '"same_upper"' if stride else '"same"'}.get(pad.lower(), pad)
    options = (f", stride={stride}" if stride else "") + (f", pad={pad}" if pad else "")
    text = f"depthwise({kernel}{options}) -> conv({channels}, 1)"
    return f"a separable convolution is two steps: `{text}`", text


def _flattened(call: tree.Call) -> Cure:
    if len(call.arguments) > 2:
        return NO_RESHAPING, ""
    return f"`{call.name.name}` is `flatten` here, which makes [N, C] of a map", "flatten"


def _nothing(call: tree.Call) -> Cure:
    return f"`{call.name.name}` changes nothing: take it away", REMOVE


def _not_here(call: tree.Call) -> Cure:
    return "a file describes a net and executes nothing: take it away", REMOVE


def _chained(call: tree.Call) -> Cure:
    values = [a.value for a in call.arguments if a.name is None]
    if len(values) == 1 and isinstance(values[0], tree.ListExpr | tree.TupleExpr):
        values = list(values[0].items)
    text = " -> ".join(v.span.text for v in values)
    return f"steps are joined by `->`: write `{text}`" if text else "steps are joined by `->`", text or REMOVE


def _activation(call: tree.Call) -> Cure:
    positional, named = _arguments(call)
    word = _first(positional, named, "activation", "name", default="relu").strip('"')
    found = word if word in OPERATORS else OPERATORS.foreign(word)
    return f"an activation is a step by its own name: `{found or 'relu'}`", found or ""


def _input(call: tree.Call) -> Cure:
    shape = next((a.value for a in call.arguments), None)
    sizes = [i.value for i in shape.items if isinstance(i, tree.Constant)] if isinstance(
        shape, tree.TupleExpr | tree.ListExpr
    ) else []  # fmt: skip
    if len(sizes) == 4:
        sizes = sizes[1:]
    if len(sizes) not in (1, 3) or not all(map(is_int, sizes)):
        return "declare what goes in at the top of the net: `input image: [N, 3, 224, 224]`", ""
    if len(sizes) == 3 and sizes[2] in (1, 3) and sizes[0] not in (1, 3):  # height, width, channels
        sizes = [sizes[2], sizes[0], sizes[1]]
    text = f"input image: [N, {', '.join(map(str, sizes))}]"
    return f"what goes in is declared: `{text}`", text


def _softmax2(call: tree.Call) -> Cure:
    return "`cross_entropy` in `train` takes what `dense` gives: take it away", REMOVE


def _hint(words: str) -> Callable[[tree.Call], Cure]:
    return lambda _: (words, "")


def _says(text: str, words: str = "") -> Callable[[tree.Call], Cure]:
    return lambda _: (words or f"write `{text}`", text)


def _scaled(call: tree.Call) -> Cure:
    positional, named = _arguments(call)
    factor = _first(positional, named, "factor", "scale", "value")
    factor = factor if factor.replace(".", "").isalnum() else f"({factor})"
    text = f"normalize(0, 1/{factor})" if factor != "()" else ""
    return f"times a number is `{text or 'normalize(0, 1/0.5)'}`", text


IDIOMS: dict[str, Callable[[tree.Call], Cure]] = {
    "separableconv2d": _separable, "separableconv": _separable, "sepconv": _separable,
    "separableconvolution": _separable,
    "view": _flattened, "reshape": _flattened, "squeeze": _flattened,
    "unflatten": _hint(NO_RESHAPING), "unsqueeze": _hint(NO_RESHAPING), "expanddims": _hint(NO_RESHAPING),
    "identity": _nothing, "noop": _nothing, "passthrough": _nothing, "contiguous": _nothing, "lambda": _nothing,
    "print": _not_here, "summary": _not_here, "compile": _not_here, "fit": _not_here, "cuda": _not_here,
    "eval": _not_here, "detach": _not_here,
    "sequential": _chained, "modulelist": _chained, "chain": _chained, "model": _chained, "block": _chained,
    "activation": _activation, "nonlinearity": _activation,
    "input": _input, "inputlayer": _input, "inputs": _input, "placeholder": _input,
    "crossentropyloss": _softmax2, "softmaxwithloss": _softmax2, "softmaxcrossentropy": _softmax2,
    "layernorm": _says("group_norm(1)", "over C, H and W it is `group_norm(1)`"),
    "layernormalization": _says("group_norm(1)", "over C, H and W it is `group_norm(1)`"),
    "instancenorm2d": _hint("it is `group_norm` with as many groups as channels: `group_norm(64)` of 64 channels"),
    "instancenorm": _hint("it is `group_norm` with as many groups as channels: `group_norm(64)` of 64 channels"),
    "permute": _hint("values are [N, C, H, W] throughout; layout is a backend's business"),
    "transpose": _hint("values are [N, C, H, W] throughout; layout is a backend's business"),
    "lstm": _hint("the language is about convolutional networks: there are no recurrent layers"),
    "gru": _hint("the language is about convolutional networks: there are no recurrent layers"),
    "embedding": _hint("the language is about convolutional networks: inputs are numbers"),
    "multiheadattention": _hint(NO_ATTENTION), "attention": _hint(NO_ATTENTION), "selfattention": _hint(NO_ATTENTION),
    "transformer": _hint(NO_ATTENTION),
    "maxunpool": _hint(NO_UNPOOLING), "maxunpool2d": _hint(NO_UNPOOLING), "unpool": _hint(NO_UNPOOLING),
    "scale": _scaled, "rescale": _scaled, "scaleby": _scaled,
    "centercrop": _hint("`crop` takes cells off each side: `crop(2)` makes 28x28 of 32x32"),
    "rescaling": _hint("pictures are scaled beside the input: `input image: [...] { scale = 1/255 }`"),
    "resize": _hint("pictures are resized beside the input, `{ resize = 256 }`; maps get larger by `upsample(2)`"),
    "resizing": _hint("pictures are resized beside the input, `{ resize = 256 }`; maps get larger by `upsample(2)`"),
    "pooling": _hint("there are `maxpool`, `minpool` and `avgpool`"),
    "pool": _hint("there are `maxpool`, `minpool` and `avgpool`"),
    "data": _hint("what goes in is declared: `input image: [N, 3, 224, 224]`"),
    "adaptivemaxpool2d": _says("global_maxpool", "of size 1 it is `global_maxpool`"),
}  # fmt: skip
