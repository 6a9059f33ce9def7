"""Who touched what, provably: ledger, sealed originals, partners and receipts.

Reads: custody/. Writes: custody/.
Touches: nothing outside the workspace; SQLite and `cryptography` do the work.
Rule: append only; acknowledge nothing before it is on disk.
"""
