"""Results: how a prediction compares with its answer, as figures, verdicts, tables and pages."""
