"""Analyzers turn windows into judgements. They know no alarm, no channel and no store."""
