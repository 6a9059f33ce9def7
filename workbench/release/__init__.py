"""7. The dataset as it leaves: one folder in the formats trainers load, a manifest, a card, a signed record.

Reads: data/00_deliveries, data/01_intake, data/03_adjudication, data/04_curation, data/05_synthesis,
data/06_augmentation, data/06_composition, label_configs/taxonomy.yaml. Writes: data/07_release, and on `release build` releases/<name>.
Touches: nothing; signing and the ledger come in as arguments.
Rule: rendered and augmented images are for training only, no group straddles splits, and a release never changes.
"""
