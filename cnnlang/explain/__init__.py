"""The page of each diagnostic code."""
