"""Many files: which ones, where their outputs go, who does the work, and what came of each."""
