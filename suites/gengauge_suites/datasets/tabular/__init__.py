"""Tables of the user's: CSV and parquet files, their columns typed, their rows read in blocks."""
