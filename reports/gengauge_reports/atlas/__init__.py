"""The atlas of the families: what each assumes, looks like as it learns, costs, and misses."""
