"""`python -m cnnlang.grammar` writes `cnn.table` from `cnn.lark`."""

from __future__ import annotations

from cnnlang import grammar

if __name__ == "__main__":
    grammar.write()
