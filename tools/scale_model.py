#!/usr/bin/env python3
"""Simulates engines that commit by shard on a cluster of PostgreSQL nodes; docs/scale.md says what it is for.

    tools/scale_model.py                                     the deployments of docs/scale.md
    tools/scale_model.py --tasks 200000 --nodes 4 --cores 16 --engines 16

Discrete events: every engine takes all that has arrived, decides it, sends one commit for each shard that has
any over its connections, waits for the last and begins again. Every node has so many cores, and serves what
comes first. A commit costs its coordinator and the node of its shard what was measured; see docs/scale.md.
"""
import argparse
import collections
import heapq
import random

# Measured on Citus 13.2.2 over PostgreSQL 15.20, CPU ms: of one commit, and of each transition in it.
NODE_COMMIT_MS, NODE_STEP_MS = 1.5, 0.022
COORDINATOR_COMMIT_MS, COORDINATOR_STEP_MS = 0.35, 0.008
WAL_STEP_BYTES = 600
# Assumed: deciding and packing on the engine's thread, one flush of the log, one way through the network.
ENGINE_STEP_MS, FLUSH_MS, WAY_MS = 0.015, 0.5, 0.15
# Of the code: shards.rs, start_shards.rs, lane.rs, engine/mod.rs.
SHARDS, START_SHARDS, CONNECTIONS, WORKS_MAX = 64, 8, 8, 512
# Three steps and their start are four transitions of three tasks, when every task is handed over.
STEPS_PER_TASK = 4 / 3
WARM_MS, MEASURED_MS = 300, 700
# More events than any deployment here needs; a simulation that falls behind stops.
EVENTS_MAX = 5_000_000

Deployment = collections.namedtuple("Deployment", "tasks nodes cores engines start_shards")
DEPLOYMENTS = [
    Deployment(50_000, 2, 8, 4, START_SHARDS),
    Deployment(100_000, 4, 8, 8, START_SHARDS),
    Deployment(250_000, 8, 16, 20, START_SHARDS),
    Deployment(1_000_000, 16, 32, 80, SHARDS),
    Deployment(1_000_000, 16, 32, 80, START_SHARDS),
]


class Node:
    """So many cores, and one queue for them."""

    def __init__(self, cores):
        self.free_at, self.cores, self.busy_ms = [0.0] * cores, cores, 0.0

    def serve(self, now, cost_ms):
        """When a piece of work that arrives now is done."""
        done = max(now, heapq.heappop(self.free_at)) + cost_ms
        heapq.heappush(self.free_at, done)
        self.busy_ms += cost_ms
        return done


class Engine:
    """One process: what has arrived, and the commits of its turn."""

    def __init__(self, number, rate_per_ms):
        self.number, self.rate = number, rate_per_ms
        self.first, self.since, self.backlog, self.unsent, self.open = number * START_SHARDS, 0.0, 0, [], 0


class Simulation:
    def __init__(self, deployment, seed):
        self.deployment, self.random = deployment, random.Random(seed)
        self.nodes = [Node(deployment.cores) for _ in range(deployment.nodes)]
        rate = deployment.tasks * STEPS_PER_TASK / 1000 / deployment.engines
        self.engines = [Engine(number, rate) for number in range(deployment.engines)]
        self.events, self.number = [], 0
        self.sizes, self.latencies, self.done = [], [], 0
        for engine in self.engines:
            self.at(self.random.random(), self.turn, engine)

    def at(self, time, what, *arguments):
        self.number += 1
        heapq.heappush(self.events, (time, self.number, what, arguments))

    def run(self):
        for _ in range(EVENTS_MAX):
            time, _, what, arguments = heapq.heappop(self.events)
            if time > WARM_MS + MEASURED_MS:
                return self
            what(time, *arguments)
        raise SystemExit(f"{self.deployment}: more than {EVENTS_MAX} events")

    def turn(self, now, engine):
        mean = engine.rate * (now - engine.since)
        engine.backlog += max(0, round(self.random.gauss(mean, mean ** 0.5)))
        works = min(engine.backlog, WORKS_MAX)
        if works == 0:
            engine.since = now
            return self.at(now + self.random.expovariate(engine.rate), self.turn, engine)
        # The oldest of them has waited since the last turn began, and longer for each whole turn of backlog.
        waited = (now - engine.since) * self.random.random() + (engine.backlog - works) / engine.rate
        engine.since, engine.backlog = now, engine.backlog - works
        first = engine.first + int(now // 1000) * START_SHARDS
        shards = [(first + self.random.randrange(self.deployment.start_shards)) % SHARDS for _ in range(works)]
        engine.unsent = list(collections.Counter(shards).items())
        engine.open, engine.begun = len(engine.unsent), now - waited
        for _ in range(min(CONNECTIONS, engine.open)):
            self.send(now + works * ENGINE_STEP_MS, engine)

    def send(self, now, engine):
        shard, size = engine.unsent.pop()
        self.at(now + WAY_MS, self.coordinate, engine, shard, size)

    def coordinate(self, now, engine, shard, size):
        node = self.nodes[engine.number % len(self.nodes)]
        done = node.serve(now, COORDINATOR_COMMIT_MS + COORDINATOR_STEP_MS * size)
        self.at(done + WAY_MS, self.commit, engine, shard, size)

    def commit(self, now, engine, shard, size):
        node = self.nodes[shard % len(self.nodes)]
        done = node.serve(now, NODE_COMMIT_MS + NODE_STEP_MS * size)
        self.at(done + FLUSH_MS + 2 * WAY_MS, self.answered, engine, size)

    def answered(self, now, engine, size):
        if now > WARM_MS:
            self.sizes.append(size)
            self.done += size
        engine.open -= 1
        if engine.unsent:
            self.send(now, engine)
        if engine.open == 0:
            if now > WARM_MS:
                self.latencies.append(now - engine.begun)
            self.at(now, self.turn, engine)

    def row(self):
        seconds = MEASURED_MS / 1000
        latencies = sorted(self.latencies)
        wal = self.done * WAL_STEP_BYTES / seconds / len(self.nodes) / 1e6
        busy = [node.busy_ms / node.cores / (WARM_MS + MEASURED_MS) for node in self.nodes]
        return (self.done / STEPS_PER_TASK / seconds, sum(self.sizes) / len(self.sizes), max(busy),
                latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100], wal)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tasks", "nodes", "cores", "engines"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--start-shards", type=int, default=START_SHARDS, help="shards in which an engine starts executions")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    one = Deployment(options.tasks, options.nodes, options.cores, options.engines, options.start_shards)
    print("asked/s  nodes x cores  engines starts | tasks/s  batch  busiest  p50 ms  p99 ms  WAL MB/s per node")
    for deployment in [one] if options.tasks else DEPLOYMENTS:
        rows = [Simulation(deployment, seed).run().row() for seed in range(1, options.seeds + 1)]
        tasks, batch, busiest, p50, p99, wal = (sum(column) / len(rows) for column in zip(*rows))
        print(f"{deployment.tasks:7}  {deployment.nodes:5} x {deployment.cores:<5}  {deployment.engines:7}  "
              f"{deployment.start_shards:5} | {tasks:7.0f}  {batch:5.1f}  {busiest:6.0%}  {p50:6.1f}  {p99:6.1f}  {wal:8.0f}")


if __name__ == "__main__":
    main()
