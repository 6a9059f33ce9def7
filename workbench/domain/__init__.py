"""The field's words as frozen values.

Reads: nothing. Writes: nothing. Touches: nothing.
Rule: standard library only, no input or output, no clock, no global randomness.
"""
