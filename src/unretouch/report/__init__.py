"""Pages: the only place that makes HTML. Templates escape everything they are given."""
