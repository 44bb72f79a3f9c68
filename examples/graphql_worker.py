#!/usr/bin/env python3
"""A worker that needs nothing but Python 3.11: it claims and reports through GraphQL, with an API key of scope WORKER.

TASKFLOW_URL=http://localhost:4000/graphql TASKFLOW_KEY=tf_… python3 examples/graphql_worker.py
"""

import json, os, signal, socket, sys, threading, time, traceback, urllib.request, uuid
from concurrent.futures import ThreadPoolExecutor

URL, KEY, WORKER = os.environ["TASKFLOW_URL"], os.environ["TASKFLOW_KEY"], f"{socket.gethostname()}-{uuid.uuid4()}"
HANDLERS = {"words.count": lambda payload: {"words": len(payload["text"].split())}}
SCHEMAS = {"words.count": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}
AT_ONCE, LEASE_MS = 8, 30_000
WATCH = "subscription ($types: [String!]!) { workAvailable(input: {types: $types}) { at } }"
ANNOUNCE = "mutation ($i: WorkerHeartbeatInput!) { workerHeartbeat(input: $i) }"
CLAIM = "mutation ($i: ClaimTasksInput!) { claimTasks(input: $i) { id token type payload timeoutMs } }"
EXTEND = "mutation ($of: [LeaseInput!]!, $ms: Int!) { extendLeases(leases: $of, leaseMs: $ms) { lost } }"
COMPLETE = "mutation ($w: ID!, $of: [CompletedTaskInput!]!) { completeTasks(workerId: $w, results: $of) { lost } }"
FAIL = "mutation ($w: ID!, $of: [FailedTaskInput!]!) { failTasks(workerId: $w, failures: $of) { lost } }"
RELEASE = "mutation ($w: ID!, $of: [LeaseInput!]!) { releaseTasks(workerId: $w, leases: $of) { lost } }"
GOODBYE = "mutation ($w: ID!) { workerGoodbye(workerId: $w) }"
held = {}  # Task id -> token, of what runs.
runners, handlers = ThreadPoolExecutor(AT_ONCE), ThreadPoolExecutor(1_000)


def post(query, variables, accept="application/json"):
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"content-type": "application/json", "accept": accept, "x-api-key": KEY}
    return urllib.request.urlopen(urllib.request.Request(URL, body, headers), timeout=60)


def ask(query, **variables):
    """Tries until there is an answer, which is safe: whatever a worker reports may be repeated."""
    while True:
        try:
            with post(query, variables) as response:
                answer = json.load(response)
            if "errors" not in answer:
                return answer["data"]
            if answer["errors"][0]["extensions"]["code"] not in ("UNAVAILABLE", "RATE_LIMITED"):
                raise RuntimeError(answer["errors"][0]["message"])
        except OSError as error:  # HTTP errors, too.
            if getattr(error, "code", 503) in (400, 401, 403, 413):
                raise RuntimeError(error.read().decode()) from error
        time.sleep(1)


def signals():
    """One comes at once, then one whenever claiming is worth a try."""
    while True:
        try:
            with post(WATCH, {"types": list(HANDLERS)}, accept="text/event-stream") as stream:
                yield from (line for line in stream if line.startswith(b"data: {"))
        except OSError:
            time.sleep(1)


def leases():
    return [{"id": id, "token": token} for id, token in held.copy().items()]


def stay_alive():
    """A task that was lost or cancelled needs no care here: its report is refused, or makes it CANCELLED."""
    about = {"workerId": WORKER, "language": "python", "host": socket.gethostname(), "queues": ["*"]}
    about |= {"concurrency": AT_ONCE, "types": [{"type": type, "payloadSchema": SCHEMAS[type]} for type in HANDLERS]}
    while True:
        ask(ANNOUNCE, i=about | {"running": len(held)})
        ask(EXTEND, of=leases(), ms=LEASE_MS)
        time.sleep(LEASE_MS / 3_000)


def run(task):
    lease, seconds = {"id": task["id"], "token": task["token"]}, (task["timeoutMs"] or 86_400_000) / 1_000
    try:
        done = lease | {"result": handlers.submit(HANDLERS[task["type"]], task["payload"]).result(seconds)}
        ask(COMPLETE, w=WORKER, of=[done])
    except Exception as error:  # A handler that is late cannot be stopped: it goes on in vain.
        code = "TIMEOUT" if isinstance(error, TimeoutError) else None
        why = {"message": str(error) or type(error).__name__, "code": code, "stack": traceback.format_exc()}
        ask(FAIL, w=WORKER, of=[lease | {"error": why}])
    held.pop(task["id"], None)


def main():
    wanted = {"workerId": WORKER, "types": list(HANDLERS), "limit": AT_ONCE, "leaseMs": LEASE_MS}
    threading.Thread(target=stay_alive, daemon=True).start()
    for _ in signals():
        while tasks := ask(CLAIM, i=wanted)["claimTasks"]:
            held.update((task["id"], task["token"]) for task in tasks)
            list(runners.map(run, tasks))


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    main()
except (KeyboardInterrupt, SystemExit):
    ask(RELEASE, w=WORKER, of=leases())
    ask(GOODBYE, w=WORKER)
    os._exit(0)  # Without waiting for handlers.
