"""What the box remembers, in one SQLite file with one owner."""
