"""The workbench's own reference of small-calibre cartridges: names and outer dimensions, each with its source.

Reads: its packaged tables (workbench/reference/tables). Writes: nothing. Touches: nothing.
Rule: identification only: names and dimensions of the case and bullet, never pressures, charges, loads or volumes;
a value without a source, or a source without a value, is refused.
"""
