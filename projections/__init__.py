"""The read side: pure folds of the log, and the View that holds them."""

from projections.view import View

__all__ = ["View"]
