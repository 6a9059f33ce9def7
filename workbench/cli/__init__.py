"""The command `workbench`.

Reads: arguments. Writes: a report on stdout, progress on stderr. Touches: everything, through `wiring`.
Rule: commands are thin (parse, wire, call, report); `wiring` is the one composition root.
"""
