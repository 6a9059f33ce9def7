"""labelling.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
