"""What source targets share: from the record of an expansion to definitions in Python.

====================  =================================================================================================
code, build           Python expressions as data, printed as Black and ruff would, and folded where all is known
evaluate, template    the value of an expression; an operator's own line (`F.relu({x})`) as one
layout                statements as lines of at most 88 columns
steps                 what a definition does: layers, merges, conditions, loops, each known for every instance
values, expressions   what the instances of a block know; the file's expressions, held against all of them
lower (applying,      the instances of a block, walked side by side: its steps
  repeating, deciding)
use, rules            one place where an operator is used; what a target's rules answer for it
compiler              which instances share a definition, and in what order definitions stand
liveness, looping     what a result needs; what a loop reads
places, shapes        the variables of a body; shapes as comments
names, records        names that are free; questions about the record
file, refusals        docstring, constants, templates; what a target cannot say
====================  =================================================================================================

A target has a `Compiler` that says what a definition is (a class, a function), a `Lowering` that says how a repetition
and a layer with weights are written, rules by operator, and a writer that makes text of steps.
"""
