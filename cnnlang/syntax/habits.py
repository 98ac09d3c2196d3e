"""What people write by habit, from Python, PyTorch, Keras, Caffe and C, and what it is here.

A row is tried where a statement has an error. Its pattern is matched against the tokens of the statement, joined by
single spaces (comments are gone, strings are `"..."`, line ends are `\\n`), with `@` before the token at fault:
`x @= conv ( 3 , 3 )`. A row counts only if its edits carry the parser past that token, so a row that matches too much
does no harm. Adding a habit is adding a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from cnnlang.syntax.tokens import words

Groups: TypeAlias = Mapping[str, str]
Text: TypeAlias = str | Callable[[Groups], str]

# In patterns: a name that is no word of the language, a number, a string, what is balanced in brackets, and the start
# and the end of a statement.
_MACROS = {
    "%w": rf"(?!(?:{'|'.join(sorted(words()))})\b)[^\W\d]\w*",
    "%n": r"[0-9.][\w.]*",
    "%s": r'"[^"\n]*"',
    "%b": r"(?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*",
    "%^": r"(?:^|(?<=[|{\n] ))",
    "%$": r"(?= \n| \}| \||$)",
}


@dataclass(frozen=True)
class Habit:
    """One row.

    Parameters
    ----------
    pattern
        A regular expression with `@` for the place of the error.
    message, help
        With `{group}` for what the author wrote there; an empty help means that only the author can know.
    edits
        What takes the place of a group, with `{group}` as above, or made of the groups by a function.
    where
        Kinds of tokens of which one must be possible at the error: `->` after a step.
    code
        E0107, or E0101 where it is rather a slip.
    """

    pattern: str
    message: str
    help: str = ""
    edits: tuple[tuple[str, Text], ...] = ()
    where: tuple[str, ...] = ()
    code: str = "E0107"

    @cached_property
    def regex(self) -> re.Pattern[str]:
        pattern = self.pattern
        for macro, meaning in _MACROS.items():
            pattern = pattern.replace(macro, meaning)
        return re.compile(pattern.replace("@", "\0"), re.DOTALL)


def _branches(groups: Groups) -> str:
    return "add { | " + " | ".join(re.split(r"\s*\+\s*", groups["all"])) + " }"


def _chain(groups: Groups) -> str:
    """`f(g(x))` as `g -> f`."""
    return " -> ".join(reversed(re.findall(r"(\w+)\s*\(", groups["all"])))


def _name(groups: Groups) -> str:
    return re.sub(r"\W+", "_", groups["n"])


def _next(number: str) -> int:
    """One more than a number, however it is written (`1_000`, `1.5`)."""
    digits = re.match(r"[0-9]+", number)
    return int(digits[0][:15]) + 1 if digits else 1


def _dims(opening: str) -> str:
    """A pattern for `(3, 32, 32)` after an opening: groups o, dims and c."""
    return rf"(?P<o>{opening}(?:(?:N|none|batch|- 1) , )?)(?P<dims>[^()\[\]]*[^()\[\] ,])(?P<c>(?: ,)? [)\]])"


_STRING = r'"(?:[^"\\\n]|\\.)*"'
_MODULES = r"(?:nn|F|self|torch|tf|keras|layers|models|L|K|flax|nnx|jax|np|P)"
_INPUT = "an input has a name, and its shape stands in brackets after a colon"
_INPUT_HELP = "write `input {name}: [N, ...]`"
_PASS_ON = "a step takes the current value by itself"
_ASSIGN = "a value is named after its step, with `as`"
_CALLED = "a step is not called with a value: `->` brings it"

HABITS: tuple[Habit, ...] = (
    # --- labels and names -----------------------------------------------------------------------------------------
    Habit(
        r"as (?P<s>%s)(?P<p> @\+ str \( (?P<e>[^()]*) \))",
        "a label holds its numbers in braces",
        'write `"...{{{e}}}"`',
        (("s", lambda g: f'{g["s"][:-1]}{{{g["e"]}}}"'), ("p", "")),
    ),
    Habit(
        r"(?:as|group) (?P<l>%w(?: @?\. ?\w+| @?\.\w+)+)",
        "a path with dots is a string",
        'write `"{l}"`',
        (("l", lambda g: '"' + "".join(g["l"].split()) + '"'),),
    ),
    Habit(
        r"(?:net|block|as|let|group|shared|aux|input) (?P<n>%w(?: @?- \w+)+)",
        "a name has no hyphen",
        "write `_`",
        (("n", _name),),
    ),
    # --- inputs and outputs ---------------------------------------------------------------------------------------
    Habit(
        r"%^input" + _dims(r"(?: @:)? @?[(\[] ") + "%$",
        "an input has a name, and its shape begins with `N`",
        "write `input image: [N, {dims}]`",
        (("o", " image: [N, "), ("c", "]")),
    ),
    Habit(
        r"%^input (?P<name>%w)" + _dims(r"(?: @?[:=])? @?[(\[] "),
        _INPUT,
        "write `input {name}: [N, {dims}]`",
        (("o", ": [N, "), ("c", "]")),
    ),
    Habit(
        r"%^(?P<word>input_(?:shape|size|dim))" + _dims(r" @?[:=] @?[(\[] ") + "%$",
        _INPUT,
        "write `input image: [N, {dims}]`",
        (("word", "input image"), ("o", ": [N, "), ("c", "]")),
    ),
    Habit(
        r"%^output (?P<cut>@[:=] )(?P<x>%w)%$",
        "an output is named, not assigned",
        "write `output {x}`",
        (("cut", ""),),
    ),
    Habit(
        r"%^output(?P<name>) @(?P<sign>[:=]) ",
        "an output has a name",
        "write `output y = ...`",
        (("name", " y"), ("sign", "=")),
    ),
    Habit(
        r"%^output(?P<o> @\( )%w(?: , %w)*(?P<c> \))",
        "the outputs stand without parentheses",
        "leave them out",
        (("o", " "), ("c", "")),
    ),
    Habit(
        r"%^labels (?P<all>%s(?: ,)?(?: @?,? ?@?%s(?: ,)?)+)%$",
        "several labels are a list",
        "write `labels [...]`",
        (("all", lambda g: f"[{', '.join(re.findall(_STRING, g['all']))}]"),),
    ),
    # --- values: `x = ...`, calls of calls, sums ------------------------------------------------------------------
    Habit(
        rf"%^(?P<cut>(?P<x>%w) @= (?:{_MODULES} \. (?:%w \. )*)?)(?P<f>%w)(?P<arg> \( (?P=x) \))%$",
        _PASS_ON,
        "write `{f}`",
        (("cut", ""), ("arg", "")),
        ("->",),
    ),
    Habit(
        r"%^(?P<all>(?P<x>%w) @= (?:(?:%w \. )*%w \( ){2,}(?P=x)(?: \))+)%$",
        _PASS_ON,
        "write one step after the other",
        (("all", _chain),),
        ("->",),
    ),
    Habit(
        r"%^(?P<all>(?P<x>%w) @= (?:(?:%w \. )*%w \( ){2,}(?P<y>%w)(?: \))+)%$",
        _PASS_ON,
        "write one step after the other",
        (("all", lambda g: f"{g['y']} -> {_chain(g)} as {g['x']}"),),
        ("->",),
    ),
    Habit(
        rf"%^(?P<cut>(?P<x>%w) @= (?:{_MODULES} \. (?:%w \. )*)?)(?P<f>%w) \( (?P<arg>(?P=x) , )%b\)%$",
        _PASS_ON,
        "write `{f}(...)`",
        (("cut", ""), ("arg", "")),
        ("->",),
    ),
    Habit(
        rf"%^(?P<cut>(?P<x>%w) @= (?:{_MODULES} \. (?:%w \. )*)?)(?P<f>%w \( %b\))(?P<arg> \( (?P=x) \))%$",
        _PASS_ON,
        "write `{f}`",
        (("cut", ""), ("arg", "")),
        ("->",),
    ),
    Habit(
        rf"%^(?P<cut>(?P<x>%w) @= (?:{_MODULES} \. (?:%w \. )*)?)(?P<f>%w \( %b\))(?P<arg> \( (?P<y>%w) \))%$",
        _PASS_ON,
        "write `{y} -> {f} as {x}`",
        (("cut", "{y} -> "), ("arg", " as {x}")),
        ("->",),
    ),
    Habit(
        r"%^(?P<cut>(?P<x>%w) @= )(?P<all>[^\n|{}]+?(?: \+ [^\n|{}+]+?)+)(?P<end>)%$",
        "values are added by a merge",
        "write `add {{ | a | b }}`",
        (("cut", ""), ("all", _branches), ("end", " as {x}")),
        ("->",),
    ),
    Habit(
        r"%^(?P<start>)(?P<x>%w) @= (?P<v>(?:[-+] )?(?:%n|%s|\[|true\b|false\b|none\b)[^\n}]*)%$",
        "a compile-time value is named with `let`",
        "write `let {x} = {v}`",
        (("start", "let "),),
        ("->",),
    ),
    Habit(
        rf"%^(?P<cut>(?P<x>%w) @= (?:{_MODULES} \. (?:%w \. )*)?)(?P<v>[^\n{{}}|]+?)(?P<end>)%$",
        _ASSIGN,
        "write `{v} as {x}`",
        (("cut", ""), ("end", " as {x}")),
        ("->",),
    ),
    Habit(
        r"%^(?P<cut>(?P<x>%w) @= )(?P<v>.*\})(?P<end>)$",
        _ASSIGN,
        "write `... as {x}` after the step",
        (("cut", ""), ("end", " as {x}")),
        ("->",),
    ),
    Habit(
        r"%^(?P<start>)(?P<x>%w) (?P<colon>: )@= (?P<v>(?:[-+] )?(?:%n|%s|\[|true\b|false\b|none\b)[^\n}]*)%$",
        "a compile-time value is named with `let`",
        "write `let {x} = {v}`",
        (("start", "let "), ("colon", "")),
        ("[",),
    ),
    Habit(
        r"%^(?P<cut>(?P<x>%w) : @= )(?P<v>[^\n{}|]+?)(?P<end>)%$",
        _ASSIGN,
        "write `{v} as {x}`",
        (("cut", ""), ("end", " as {x}")),
        ("[",),
    ),
    Habit(
        rf"%^(?P<cut>self @\. (?P<x>%w) = (?:{_MODULES} \. (?:%w \. )*)?)(?P<v>[^\n{{}}|]+?)(?P<end>)%$",
        _ASSIGN,
        "write `{v} as {x}`",
        (("cut", ""), ("end", " as {x}")),
    ),
    Habit(
        r"%^(?P<all>(?P<x>%w) @\+ = (?P<v>[^\n{}|]+?))%$",
        "values are added by a merge",
        "write `add {{ | {x} | {v} }}`",
        (("all", "add {{ | {x} | {v} }}"),),
    ),
    Habit(
        r"%^(?P<all>[^\n|{}]+? @\+ [^\n|{}]+?)%$",
        "values are added by a merge",
        "write `add {{ | a | b }}`",
        (("all", _branches),),
    ),
    Habit(
        r"(?:train|predict|meta|check)(?P<o> @\( )%b(?P<c> \))",
        "a section stands in braces",
        "write `{{ ... }}`",
        (("o", " {{ "), ("c", " }}")),
    ),
    Habit(r"(?P<arg> @\( %w \))", _CALLED, "leave the parentheses out", (("arg", ""),)),
    Habit(
        r"%^%w @, (?:%w , )*%w = ",
        "one name stands for one value",
        "name each value with `as` where it is made",
    ),
    Habit(
        rf"(?P<cut>(?:{_MODULES}) @\. (?:%w \. )*)(?=%w)",
        "an operator has no module before it",
        "leave the module out",
        (("cut", ""),),
    ),
    Habit(
        r"%^(?P<cut>%w @\. (?:add|append|add_module) \( )(?P<v>.*)(?P<c> \))$",
        "steps are not added to a model: they are written one after the other",
        "write the step alone",
        (("cut", ""), ("c", "")),
    ),
    Habit(
        r"(?P<dot> @\. )(?P<m>%w)",
        "a value has no methods: `->` applies the next step",
        "write `-> {m}`",
        (("dot", " -> "),),
    ),
    Habit(r"%^(?P<cut>(?:return|yield) )@", "the last value is the result", "leave `return` out", (("cut", ""),)),
    # --- steps ----------------------------------------------------------------------------------------------------
    Habit(
        r"(?<=\) )(?P<x>@[xX]) (?=%n|%w)",
        "a step is repeated with `*`",
        "write `*`",
        (("x", "*"),),
    ),
    Habit(
        r"(?P<all>\* (?P<n>%n|%w) @\* (?P<m>%n|%w))",
        "a step is repeated once",
        "write `* ({n}*{m})`",
        (("all", "* ({n}*{m})"),),
    ),
    Habit(
        r"(?P<cut>@(?P<n>%n) \* )(?P<s>%w(?: \( %b\))?)(?P<end>)",
        "the number stands after the step that it repeats",
        "write `{s} * {n}`",
        (("cut", ""), ("end", " * {n}")),
    ),
    Habit(
        r"(?<!input )(?P<f>%w)(?P<o> @\[)(?: [^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)(?P<c>\])",
        "arguments stand in parentheses",
        "write `{f}(...)`",
        (("o", "("), ("c", ")")),
    ),
    Habit(
        r"(?P<f>%w)(?P<o> )@(?P<a>(?:%n|%s)(?: , (?:%w = )?(?:%n|%s))*)(?P<c>)%$",
        "arguments stand in parentheses",
        "write `{f}({a})`",
        (("o", "("), ("c", ")")),
    ),
    Habit(
        r"(?P<f>%w)(?P<o> )@(?P<a>(?:%n|%s)(?: , (?:%w = )?(?:%n|%s))*)(?P<c>)(?= ->| as)",
        "arguments stand in parentheses",
        "write `{f}({a})`",
        (("o", "("), ("c", ")")),
    ),
    Habit(
        r"(?P<o>@\( )%b(?P<c> \))",
        "steps are grouped by braces",
        "write `{{ ... }}`",
        (("o", "{{ "), ("c", " }}")),
    ),
    Habit(
        r"(?:net|block) (?P<n>@%s)",
        "a name stands without quotes",
        "leave them out",
        (("n", lambda g: re.sub(r"\W+", "_", g["n"][1:-1]) or "A"),),
    ),
    Habit(
        r"(?P<word>layers?|param|convolution_param) \{(?: \n)? @(?:name|type|bottom|top|num_output)\b.*",
        "this is Caffe's way of writing a layer",
        "write the step and its name, as `conv(20, 5) as conv1`",
    ),
    Habit(
        r"(?P<name>%w) (?:\( %b\) )?\{(?: \n)? (?P<bar>)@",
        "each branch of a merge begins with `|`",
        "write `{name} {{ | ... | ... }}`",
        (("bar", "| "),),
        code="E0101",
    ),
    Habit(
        r"\|(?P<gap>)(?: \n)? @(?:\||\})",
        "a branch is empty: what enters the merge is `in`",
        "write `| in`",
        (("gap", " in"),),
        code="E0101",
    ),
    Habit(
        r"(?P<name>%w) (?:\( %b\) )?\{(?: \n)? @\}",
        "a merge has branches, and each begins with `|`",
        "write `{name} {{ | ... | ... }}`",
        code="E0101",
    ),
    Habit(
        r"shared %w = (?:[^\n]* @->|@\{)",
        "what is shared is one block or operator, not a chain",
        "make a `block` of the chain",
        code="E0101",
    ),
    # --- conditions and loops -------------------------------------------------------------------------------------
    Habit(
        r"\} (?P<k>@(?:elif|elsif|elseif|elif))\b",
        "the language has no `elif`",
        "write `else if`",
        (("k", "else if"),),
    ),
    Habit(
        r"%^(?P<k>(?:elif|elsif|elseif)) @",
        "the language has no `elif`",
        "write `else if`",
        (("k", "else if"),),
    ),
    Habit(
        r"\} (?P<k>@%w)(?= \{)",
        "after a body come `else` or a new line",
        "write `else`",
        (("k", "else"),),
        code="E0101",
    ),
    Habit(
        r"%^(?P<a>[^\n{}]+?)(?P<cut> @if (?P<c>[^\n{}]+?) else (?P<b>[^\n{}]+?))%$",
        "steps are chosen by an `if` statement",
        "write `if {c} {{ {a} }} else {{ {b} }}`",
        (("a", "if {c} {{ {a} }} else {{ {b} }}"), ("cut", "")),
    ),
    Habit(
        r"else (?P<o>)@(?P<s>[^\n{}]+?)(?P<c>)%$",
        "the body of `else` stands in braces",
        "write `else {{ {s} }}`",
        (("o", "{{ "), ("c", " }}")),
    ),
    Habit(
        r"%^(?:if|for) [^\n{}]+? (?P<o>)@(?P<s>%w[^\n{}]*?)(?P<c>)%$",
        "a body stands in braces",
        "write `{{ {s} }}`",
        (("o", "{{ "), ("c", " }}")),
    ),
    Habit(
        r"for (?P<o>\( )%w (?:, %w )*@in %b(?P<c>\)) (?=\{)",
        "the head of a `for` stands without parentheses",
        "leave them out",
        (("o", ""), ("c", "")),
    ),
    Habit(
        r"for %w (?P<all>(?:@= (?P<a>[0-9]+) [,:]|in (?P<d>[0-9]+) @[,:]) (?P<b>[0-9]+))",
        "a `for` goes over a list",
        "write `in range(...)`",
        (("all", lambda g: f"in range({g['a'] or g['d']}, {_next(g['b'])})"),),
    ),
    Habit(
        r"%^(?P<cut>(?:for|repeat|loop|times) @(?P<n>%n|%w) )(?P<b>\{.*\})(?P<end>)$",
        "steps are repeated by `*` after their braces",
        "write `{{ ... }} * {n}`",
        (("cut", ""), ("end", " * {n}")),
    ),
    Habit(
        r"%^while @",
        "the language has no `while`: a net is finite",
        "repeat with `* n` or `for`",
    ),
    Habit(
        r"\[ [^\[\]]+ @for %w",
        "the language has no comprehensions",
        "write the list, or a `for` statement",
    ),
    # --- names and types ------------------------------------------------------------------------------------------
    Habit(
        r"let %w(?P<type> @: %w(?: \[ %w \])?)(?= =)",
        "a value's type is not written",
        "leave it out",
        (("type", ""),),
    ),
    Habit(
        r"%^(?P<start>)(?P<x>%w)(?P<type> : @%w) = (?P<v>[^\n}]*)%$",
        "a compile-time value is named with `let`, without a type",
        "write `let {x} = {v}`",
        (("start", "let "), ("type", "")),
    ),
    Habit(
        r"%^(?P<k>var|const|val|auto|int|float|set|local|my|define) @%w =",
        "a compile-time value is named with `let`",
        "write `let`",
        (("k", "let"),),
    ),
    Habit(
        r"[(,] (?P<type>(?:int|float|bool|str|string|auto) )@%w",
        "a parameter's type is not written",
        "leave it out",
        (("type", ""),),
    ),
    Habit(
        r"[(,] %w(?P<type> : %w) @=",
        "a parameter's type is not written",
        "leave it out",
        (("type", ""),),
    ),
    # --- nets, blocks and imports ---------------------------------------------------------------------------------
    Habit(
        r"^@class (?P<name>%w)",
        "the language has no classes",
        "write `net {name} {{ ... }}`, or `block {name}(...) {{ ... }}` for a part of one",
    ),
    Habit(
        r"^(?P<k>@(?:network|model|module|graph|sequential|architecture|Network|Model|Module|Sequential)) %w",
        "a network is a `net`",
        "write `net`",
        (("k", "net"),),
    ),
    Habit(
        r"^(?P<k>@(?:function|func|fn|fun|sub|def|layer|component|macro|template|Layer)) %w",
        "a reusable part is a `block`",
        "write `block`",
        (("k", "block"),),
    ),
    Habit(
        r"(?:net|block) %w(?: \( %b\))?(?P<cut> @?=) @?(?=\{)",
        "the body follows the name",
        "leave the `=` out",
        (("cut", ""),),
    ),
    Habit(
        r"block %w (?:\( %b\) )?(?P<sign>@(?:=|->|:) )(?P<body>[^\n]+)(?P<end>)$",
        "the body of a block stands in braces",
        "write `{{ {body} }}`",
        (("sign", "{{ "), ("end", " }}")),
    ),
    Habit(
        r"^(?P<cut>@import [^\n]+)$",
        "nothing of Python is imported",
        'leave it out; blocks come by `from "file.cnn" import name`',
        (("cut", ""),),
    ),
    Habit(
        r"import (?P<o>@\( )[^()]*?(?P<c>(?: ,)? \))",
        "the names of an import stand without parentheses",
        "leave them out",
        (("o", ""), ("c", "")),
    ),
    Habit(r"import (?P<s>@\*)", "what is imported is named", "name the blocks: `import a, b`"),
    Habit(
        r"^@(?:include|using|require|use|load) (?P<f>%s)",
        "blocks are imported by name",
        "write `from {f} import name`",
    ),
    Habit(
        r"%^(?P<cut>@cnn %n)",
        "`cnn 1` stands once, at the top",
        "leave it out",
        (("cut", ""),),
        ("net", "let"),
        "E0101",
    ),
    Habit(
        r"%^@(?:net|block|from)\b",
        "nets, blocks and imports stand at the top, outside of all braces",
        where=("let",),
        code="E0101",
    ),
    Habit(
        r"^net %w \( %b\) @= ",
        "a variant has no parameters: it binds those of its base",
        code="E0101",
    ),
    Habit(
        r"^(?P<k>net|block)(?P<name>) @[{(]",
        "a {k} has a name",
        "name it",
        (("name", lambda g: " Net" if g["k"] == "net" else " part"),),
        code="E0101",
    ),
    Habit(
        r"(?P<gap>@\n)(?= \{)",
        "the brace stands on the line of what it opens",
        "join the lines",
        (("gap", " "),),
    ),
    Habit(
        r"^@(?:let|input|labels|output|aux|train|predict|meta|check|group|shared|for|if)\b",
        "a statement stands in a net or a block",
        where=("net",),
        code="E0101",
    ),
    # --- sections -------------------------------------------------------------------------------------------------
    Habit(
        r"(?P<k>@%s)(?P<sign> [:=] )",
        "a key stands without quotes, before `=`",
        "write `key = value`",
        (("k", lambda g: g["k"][1:-1]), ("sign", " = ")),
    ),
    Habit(
        r"(?:source|licence|license|citation) = (?P<v>%w (?:[^\n{}]*)?@[^\n}]*?)(?= \}| \n|$)",
        "a text stands between double quotes",
        "write it between double quotes",
        (("v", lambda g: f'"{g["v"]}"'),),
    ),
    Habit(
        r"(?:train|predict|meta)(?P<o> )@(?P<body>%w = [^\n{}]*?)(?P<c>)%$",
        "a section stands in braces",
        "write `{{ {body} }}`",
        (("o", " {{ "), ("c", " }}")),
    ),
    Habit(
        r"= (?P<o>@\{ )(?P<v>[^{}]*[^{} ])(?P<c> \})",
        "a list stands in brackets",
        "write `[{v}]`",
        (("o", "["), ("c", "]")),
        ("INT",),
    ),
    Habit(
        r"%^(?P<k>check|assert|(?P<a>assert) \() (?P<o>)@(?P<body>[^\n{}]+?)(?P<c>)%$",
        "what must hold stands in a `check` section",
        "write `check {{ {body} }}`",
        (("k", "check"), ("o", "{{ "), ("c", " }}")),
    ),
    Habit(
        r"(?P<cut>-> )@as ",
        "`as` names the value of the step before it",
        "leave the `->` out",
        (("cut", ""),),
        code="E0101",
    ),
    Habit(
        r"(?P<cut> ->) @(?!\{|in |->)",
        "`->` brings a value to a step, and none follows",
        "leave the `->` out",
        (("cut", ""),),
        code="E0101",
    ),
    Habit(
        r"(?<!\* )(?<!as )(?<!= )(?P<cut>@-> )",
        "`->` brings a value to a step, and there is none before it",
        "leave the `->` out",
        (("cut", ""),),
        code="E0101",
    ),
    Habit(
        r"(?P<c>@//)(?P<text>[^\n]*)",
        "a comment begins with `#`",
        "write `#`",
        (("c", "#"),),
    ),
)


@dataclass(frozen=True, slots=True)
class Swap:
    """A sign in the place of another: tried where `right` could stand and `wrong` does."""

    wrong: str
    right: str
    code: str = "E0101"


SWAPS = (
    Swap(":", "=", "E0107"),
    Swap(":", "==", "E0107"),
    Swap("=", "==", "E0107"),
    Swap("==", "=", "E0107"),
    Swap("=", "in"),
    Swap(",", "->"),
)
# What may be missing before a token, and what may be too much, the likeliest first.
MISSING = (",", "->", "=", "in", "_NL")
SURPLUS = (",", ":", "=", "|")
