"""reference.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
