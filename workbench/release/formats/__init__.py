"""formats.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
