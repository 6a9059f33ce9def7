"""4. Curation: duplicates found, groups and splits assigned, so that nothing leaks from training into testing.

Reads: data/01_intake, data/03_adjudication. Writes: data/04_curation.
Touches: perceptual hashes, through `ports.Fingerprint`, and measurements of pictures, through `ports.Gauge`.
Rule: what belongs together (seizure, item, duplicates) lies in one split, and a released photograph never moves.
"""
