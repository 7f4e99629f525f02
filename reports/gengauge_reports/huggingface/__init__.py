"""``publish --to huggingface``: a card for each model, and its results as the Hub reads them."""
