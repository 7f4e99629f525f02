"""The leaderboard as a folder of pages that needs no server and asks nobody for anything."""
