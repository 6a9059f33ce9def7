"""4. Curation: duplicates found, groups and splits assigned, so that nothing leaks from training into testing.

Reads: data/00_deliveries, data/01_intake, data/03_adjudication, data/04_decisions. Writes: data/04_curation;
what curators decide is appended to data/04_decisions.
Touches: what looks at pictures, through the ports of `ports.Eyes`.
Rule: what belongs together (seizure, item, duplicates) lies in one split, and a released photograph never moves.
"""
