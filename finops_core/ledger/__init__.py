"""The ledger: every accepted call of a log, typed and columnar, kept beside the log."""
