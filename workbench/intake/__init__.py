"""1. Intake: a partner's delivery becomes admitted photographs, or quarantine with a reason.

Reads: data/00_deliveries, data/01_decisions (regions to be covered). Writes: data/01_intake.
Touches: the sealed originals, through `ports.ObjectStore`; decoders, through `ports.Compute`.
Rule: every file delivered has a row in images or in quarantine, and in one of them only.
"""
