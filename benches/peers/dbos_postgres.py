"""DBOS on PostgreSQL, as it comes: answers each line of input with the seconds that the work took."""

import logging
import sys
import time
from urllib.parse import parse_qs, urlsplit

from dbos import DBOS

place, sequential, runs, steps = urlsplit(sys.argv[1]), *map(int, sys.argv[2:])
logging.disable(logging.WARNING)
query = {name: values[0] for name, values in parse_qs(place.query).items()}
database = f"postgresql://{query['user']}@{place.path}?host={query['host']}"
DBOS(config={"name": "bench", "system_database_url": database, "run_admin_server": False})


@DBOS.step()
def noop(number: int) -> dict:
    return {"n": number}


@DBOS.workflow()
def sequence(count: int) -> int:
    for number in range(count):
        noop(number)
    return count


DBOS.launch()
print("ready", flush=True)
for line in sys.stdin:
    started = time.perf_counter()
    if line.strip() == "sequential":
        assert sequence(sequential) == sequential
    else:
        handles = [DBOS.start_workflow(sequence, steps) for _ in range(runs)]
        assert all(handle.get_result() == steps for handle in handles)
    print(time.perf_counter() - started, flush=True)
DBOS.destroy()
