"""Cures: what a mistake was meant to be, and the edits that make it so."""
