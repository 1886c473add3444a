"""How much an eligible node is preferred: 0 to 100 each, weighted, all shown."""

from schedune.scoring.scores import SCORES, Score, total

__all__ = ["SCORES", "Score", "total"]
