#!/usr/bin/env python3
"""Writes the Grafana dashboards from the panels below.

    tools/dashboards.py            writes deploy/grafana/dashboards/*.json
    tools/dashboards.py --check    fails when they are not what it would write

A panel is: title, unit, queries (expression, legend), and what to read from it. What is told of the whole database is the
same at every process, so its queries take the largest value; what processes count for themselves is added up.
"""
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "dashboards"
WINDOW = "$__rate_interval"
COLUMNS, WIDTH, HEIGHT = 3, 8, 8
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
BAD_ENDS = 'status=~"FAILED|FAILED_WITH_TERMINAL_ERROR|TIMED_OUT"'
HTTP = "baton_http_request_duration_seconds"
FAILED_REQUESTS, REFUSED_REQUESTS = HTTP + '_count{status=~"5.."}', HTTP + '_count{status=~"4.."}'
LONG_POLLS = "/api/tasks/poll/.*|/api/tasks/update-v2|/api/workflow/execute/.*"


def rate(metric, by=""):
    """Events a second, added up."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[{WINDOW}]))"


def quantile(share, metric, labels="", by=""):
    """The time within which this share of the events stayed."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket{labels}', f'le, {by}' if by else 'le')})"


def quantiles(metric, labels=""):
    return [(quantile(share, metric, labels), name) for share, name in ((0.5, "half within"), (0.99, "99 % within"))]


def ratio(part, whole):
    return f"{part} / {whole}"


OVERVIEW = [
    ("Processes that answer", "short", [('sum by (job) (up{job=~"baton-.+"})', "{{job}}")],
     "A process that is missing here ended, or hangs."),
    ("Databases that answer", "short", [("min(baton_database_up)", "all processes reach it")],
     "1: every gateway reaches the database; 0: some do not."),
    ("Oldest ready task", "s", [("max(baton_queue_oldest_age_seconds) or vector(0)", "age")],
     "How long the task that waits longest has waited for a worker."),
    ("Executions", "ops", [(rate("baton_workflows_started_total"), "started"),
                           (rate("baton_workflows_ended_total", "status"), "{{status}}")],
     "More starts than ends for long: executions pile up."),
    ("Executions that failed", "percentunit",
     [(ratio(rate('baton_workflows_ended_total{status=~"FAILED|TIMED_OUT"}'), rate("baton_workflows_ended_total")), "share")],
     "Of those that ended."),
    ("Executions by workflow", "ops", [(rate("baton_workflows_started_total", "workflow"), "{{workflow}}")], "Starts."),
    ("Time of an execution", "s", quantiles("baton_workflow_duration_seconds"), "From start to end, waits included."),
    ("Tasks", "ops", [(rate("baton_tasks_scheduled_total"), "scheduled"), (rate("baton_tasks_ended_total", "status"), "{{status}}")],
     "Retries are tasks of their own."),
    ("Ready tasks", "short", [("sum(max by (queue) (baton_queue_depth)) or vector(0)", "in all queues")],
     "Growing for long: too few workers; see the board of task types."),
    ("Time of a step in the engine", "s", quantiles("baton_step_latency_seconds"),
     "From a result to the next task's leaving; the engine's own part of a step."),
    ("Lateness of timers", "s", quantiles("baton_timer_lateness_seconds"),
     "Steadily above 0.1 s: the engine or its database is overloaded."),
    ("Failed requests", "reqps", [(f"{rate(FAILED_REQUESTS)} or vector(0)", "5xx")],
     "The board of the gateway says which."),
]
TASK_TYPES = [
    ("Scheduled", "ops", [(rate("baton_tasks_scheduled_total", "task_type"), "{{task_type}}")], "Retries included."),
    ("Ended", "ops", [(rate("baton_tasks_ended_total", "task_type, status"), "{{task_type}} {{status}}")], "How tasks end."),
    ("Failed", "percentunit",
     [(ratio(rate(f"baton_tasks_ended_total{{{BAD_ENDS}}}", "task_type"), rate("baton_tasks_ended_total", "task_type")),
       "{{task_type}}")], "Of those that ended."),
    ("Ready", "short", [("max by (queue) (baton_queue_depth)", "{{queue}}")], "Tasks that wait for a worker."),
    ("Oldest ready", "s", [("max by (queue) (baton_queue_oldest_age_seconds)", "{{queue}}")], "What workers are behind by."),
    ("Waiting polls", "short", [("sum by (queue) (baton_pollers)", "{{queue}}")],
     "Workers with nothing to do; none while tasks are ready: workers are busy, or gone."),
    ("From ready to leased", "s", [(quantile(0.99, "baton_task_schedule_to_start_seconds", by="task_type"), "{{task_type}}")],
     "99 % within."),
    ("Handed over", "percentunit",
     [(ratio(rate("baton_tasks_handed_over_total"),
             f'({rate("baton_tasks_handed_over_total")} + {rate("baton_tasks_queued_total")})'), "share")],
     "Tasks that a waiting poll got in the commit that made them; the others cost a second commit."),
    ("Leases that ran out", "ops", [(rate("baton_lease_expiries_total"), "expired")],
     "Workers that died, hang, or take longer than their response timeout."),
    ("Attempts of executors", "ops", [(rate("baton_worker_attempts_total", "task_type, outcome"), "{{task_type}} {{outcome}}")],
     "What our own executors run."),
    ("Time of an executor's attempt", "s", [(quantile(0.95, "baton_worker_attempt_duration_seconds", by="task_type"), "{{task_type}}")],
     "95 % within."),
    ("Executors' attempts under way", "short", [("sum by (task_type) (baton_worker_running)", "{{task_type}}")],
     "At the limit of http-slots or command-slots: more executors would help."),
    ("Executors' polls", "ops", [(rate("baton_worker_polls_total", "outcome"), "{{outcome}}")],
     "Failed ones: the executor does not reach its server."),
]
DATABASE = [
    ("Reached", "short", [("baton_database_up", "{{instance}}")], "1: the process reaches the database."),
    ("Commits", "ops", [(rate("baton_commits_total"), "commits")], "Transactions of the engine."),
    ("Time of a commit", "s", quantiles("baton_commit_duration_seconds"),
     "Mostly the disk's: a growing one slows everything."),
    ("Executions in a commit", "short",
     [(ratio(rate("baton_commit_batch_executions_sum"), rate("baton_commit_batch_executions_count")), "average")],
     "Grows with the load; that is how the engine keeps up."),
    ("Commits for each task", "short", [(ratio(rate("baton_commits_total"), rate("baton_tasks_scheduled_total")), "commits")],
     "Below 1 under load."),
    ("Conflicts", "ops", [(rate("baton_conflicts_total"), "batches decided again")],
     "Two gateways at the same executions; costs time, breaks nothing."),
    ("Rows written", "wps", [(rate("baton_rows_written_total"), "rows")], "Inserted, updated or deleted."),
    ("Round trips", "ops", [(rate("baton_round_trips_total"), "requests")], "To the database and back."),
    ("Write-ahead log", "Bps", [(f"max(rate(baton_wal_bytes_total[{WINDOW}]))", "written")],
     "Of the whole database server; what replicas and backups must keep up with."),
    ("Wait for a connection", "s", [(quantile(0.99, "baton_database_pool_wait_seconds", by="pool"), "{{pool}}")],
     "99 % within; above some milliseconds: raise database-pool-size."),
    ("States found in memory", "percentunit",
     [(ratio(rate("baton_cache_hits_total"), f'({rate("baton_cache_hits_total")} + {rate("baton_cache_misses_total")})'), "share")],
     "The others were read from the database."),
    ("Time to decide a batch", "s", quantiles("baton_decide_duration_seconds"), "The engine's own computing."),
]
GATEWAY = [
    ("Requests", "reqps", [(rate(f"{HTTP}_count", "status"), "{{status}}")], "By status."),
    ("Requests by route", "reqps", [(rate(f"{HTTP}_count", "method, route"), "{{method}} {{route}}")], "What callers do."),
    ("Requests by process", "reqps", [(rate(f"{HTTP}_count", "instance"), "{{instance}}")], "Whether the load is spread."),
    ("Time of an answer", "s", quantiles(HTTP, f'{{route!~"{LONG_POLLS}"}}'), "Calls that wait on purpose left out."),
    ("Slow routes", "s", [(quantile(0.99, HTTP, f'{{route!~"{LONG_POLLS}"}}', "method, route"), "{{method}} {{route}}")],
     "99 % within."),
    ("Time of a poll", "s", quantiles(HTTP, '{route=~"/api/tasks/poll/.*"}'), "The wait for work included."),
    ("Refused", "reqps", [(f'{rate(REFUSED_REQUESTS, "route, status")} or vector(0)', "{{route}} {{status}}")], "4xx: the caller's mistake, or a limit."),
    ("Failed", "reqps", [(f'{rate(FAILED_REQUESTS, "route, status")} or vector(0)', "{{route}} {{status}}")], "5xx: ours, mostly the database's."),
    ("Waiting polls", "short", [("sum by (instance) (baton_pollers)", "{{instance}}")], "At each process."),
    ("Scripts", "ops", [(rate("baton_scripts_evaluated_total", "language, outcome"), "{{language}} {{outcome}}")],
     "INLINE, SWITCH, DO_WHILE and jq."),
    ("Time of a script", "s", [(quantile(0.99, "baton_script_duration_seconds", by="language"), "{{language}}")],
     "99 % within, the wait for a free evaluator included; a long one: raise evaluators."),
]
BOARDS = [
    ("baton-overview", "Baton: overview", OVERVIEW),
    ("baton-task-types", "Baton: task types and workers", TASK_TYPES),
    ("baton-database", "Baton: database", DATABASE),
    ("baton-gateway", "Baton: gateway", GATEWAY),
]


def board(uid, title, panels):
    """A dashboard as Grafana stores it."""
    return {
        "uid": uid, "title": title, "tags": ["baton"], "schemaVersion": 39, "editable": False, "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "graphTooltip": 1,
        "templating": {"list": [{
            "name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus",
            "current": {"text": "Prometheus", "value": "prometheus"}}]},
        "links": [{"type": "dashboards", "tags": ["baton"], "title": "Baton", "asDropdown": True, "keepTime": True}],
        "panels": [panel(number, *one) for number, one in enumerate(panels)],
    }


def panel(number, title, unit, queries, description):
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1, "title": title, "type": "timeseries", "description": description, "datasource": DATASOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [{"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}
                    for index, (expression, legend) in enumerate(queries)],
    }


def main():
    stale = []
    for uid, title, panels in BOARDS:
        path = FOLDER / f"{uid.removeprefix('baton-')}.json"
        text = json.dumps(board(uid, title, panels), indent=2) + "\n"
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what tools/dashboards.py writes; run it")


if __name__ == "__main__":
    main()
