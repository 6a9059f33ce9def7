"""custody.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
