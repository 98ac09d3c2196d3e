"""The targets: source (`torch`, `numba`) and the text of the graph. Each is imported only when it is asked for."""
