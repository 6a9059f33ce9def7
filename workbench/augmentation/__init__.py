"""augmentation.

Reads: -. Writes: -. Touches: -. Rule: -.
"""
