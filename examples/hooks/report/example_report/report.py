"""What failed, and why."""


def render(stores, **options):
    """Return one line for each trial without scores, and a last one that counts."""
    records = [record for store in stores for record in store.records()]
    lines = [
        f"{record['model']['id']} on {record['dataset']['id']}, seed {record['seeds']['train']}: "
        f"{record['status']}: {' '.join(record['error']['message'].split())}"
        for record in records
        if record["status"] != "ok"
    ]
    lines = [*sorted(lines), f"{len(lines)} of {len(records)} trials gave no scores"]
    return ("\n".join(lines) + "\n").encode()
