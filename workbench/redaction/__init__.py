"""Redaction: regions that show personal data are found, decided about, and covered in the working copies.

Reads: data/01_intake, data/02_labelling (boxes that people labelled). Writes: data/01_redaction, data/01_decisions.
Touches: nothing; what finds faces comes in as an argument.
Rule: a decision is only ever added; a region is covered by intake, from the sealed original, and never uncovered in place.
"""
