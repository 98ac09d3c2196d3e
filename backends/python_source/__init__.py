"""What source targets share: Python code as data, and a net's records as steps in terms of its definitions."""
