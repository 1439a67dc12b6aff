"""LangGraph with its SQLite checkpointer, every step on disk before the next one: answers each line of input with the
seconds that the work took."""

import os
import sqlite3
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

folder, sequential, runs, steps = sys.argv[1], *map(int, sys.argv[2:])


class State(TypedDict):
    n: int
    last: int


def noop(state: State) -> dict:
    return {"n": state["n"] + 1}


connection = sqlite3.connect(os.path.join(folder, "langgraph.sqlite"), check_same_thread=False)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=FULL")
builder = StateGraph(State)
builder.add_node("noop", noop)
builder.add_edge(START, "noop")
builder.add_conditional_edges("noop", lambda state: END if state["n"] >= state["last"] else "noop")
graph = builder.compile(checkpointer=SqliteSaver(connection))


def run(count: int) -> int:
    config = {"configurable": {"thread_id": str(uuid.uuid4())}, "recursion_limit": count + 10}
    return graph.invoke({"n": 0, "last": count}, config, durability="sync")["n"]


with ThreadPoolExecutor(max_workers=32) as threads:
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        if line.strip() == "sequential":
            assert run(sequential) == sequential
        else:
            assert all(count == steps for count in threads.map(run, [steps] * runs))
        print(time.perf_counter() - started, flush=True)
