"""The leaderboard as numbers: boards, aggregates, fronts, histories and model pages.

``leaderboard(gather(stores))`` makes one; ``board`` says what it holds.
"""

from gengauge_reports.leaderboard.board import Board, DatasetBoards, Entrant, Leaderboard, Standing
from gengauge_reports.leaderboard.building import leaderboard

__all__ = ["Board", "DatasetBoards", "Entrant", "Leaderboard", "Standing", "leaderboard"]
