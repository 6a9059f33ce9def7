"""synthesis.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
