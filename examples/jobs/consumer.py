"""Handles each frame of all cameras once, although it may be killed at any moment.

python consumer.py ADDRESS RESULTS
"""

import pathlib
import sys

import frameway

address, results = sys.argv[1], pathlib.Path(sys.argv[2])
last = {}  # the last sequence of each stream that is in the results
if results.exists():
    for line in results.read_text().splitlines():
        stream, sequence, _ = line.split()
        last[stream] = int(sequence)

with frameway.connect(address) as client, results.open("a") as out:
    # The cursors may be a second older than the results, so frames that are there are passed over.
    with client.subscribe("cam-*", start="earliest", cursors=f"{results}.cursors") as events:
        for event in events:
            if isinstance(event, frameway.Gap):
                print("not delivered:", event.stream_id, event.from_sequence, event.to_sequence, file=sys.stderr)
            elif event.sequence > last.get(event.stream_id, 0):
                print(event.stream_id, event.sequence, len(event.data), file=out, flush=True)
