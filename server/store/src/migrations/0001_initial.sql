-- The first format. Keys are composite columns, never joined strings. Columns hold what is asked
-- for, JSON what is only read back. Times are milliseconds since the Unix epoch.

CREATE TABLE server (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  instance TEXT NOT NULL,
  ingress INTEGER NOT NULL CHECK (ingress IN (0, 1)),
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE namespaces (
  namespace_id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  deleting INTEGER NOT NULL CHECK (deleting IN (0, 1)),
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `versions_made` and its kind count what was ever made, so that no number is given twice.
CREATE TABLE pipelines (
  namespace_id TEXT NOT NULL REFERENCES namespaces,
  pipeline_id TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  deleting INTEGER NOT NULL CHECK (deleting IN (0, 1)),
  versions_made INTEGER NOT NULL,
  deployments_made INTEGER NOT NULL,
  runs_made INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  PRIMARY KEY (namespace_id, pipeline_id)
) STRICT, WITHOUT ROWID;

-- Each config text once, by the hash of its bytes. Versions and runs share it, and it stays until
-- the last of both is gone: a run keeps what it ran after its version was pruned.
CREATE TABLE config_bodies (
  body INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  json TEXT NOT NULL
) STRICT;

CREATE TABLE configs (
  namespace_id TEXT NOT NULL,
  pipeline_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('UNRELEASED', 'LIVE', 'DEPRECATED')),
  content_hash TEXT NOT NULL,
  body INTEGER NOT NULL REFERENCES config_bodies,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  registered_ms INTEGER NOT NULL,
  deprecated_ms INTEGER,
  origin TEXT NOT NULL,
  by_kind TEXT NOT NULL,
  by_name TEXT NOT NULL,
  PRIMARY KEY (namespace_id, pipeline_id, version),
  FOREIGN KEY (namespace_id, pipeline_id) REFERENCES pipelines
) STRICT, WITHOUT ROWID;
-- At most one version is live, whatever the code above believes.
CREATE UNIQUE INDEX configs_live ON configs (namespace_id, pipeline_id) WHERE state = 'LIVE';
CREATE INDEX configs_body ON configs (body);

CREATE TABLE deployments (
  namespace_id TEXT NOT NULL,
  pipeline_id TEXT NOT NULL,
  deployment INTEGER NOT NULL,
  from_version INTEGER,
  to_version INTEGER NOT NULL,
  strategy TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('RUNNING', 'COMPLETE')),
  status TEXT CHECK (status IN ('SUCCESSFUL', 'FAILED')),
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  by_kind TEXT NOT NULL,
  by_name TEXT NOT NULL,
  reason TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (namespace_id, pipeline_id, deployment),
  FOREIGN KEY (namespace_id, pipeline_id) REFERENCES pipelines
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  namespace_id TEXT NOT NULL,
  pipeline_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  body INTEGER NOT NULL REFERENCES config_bodies,
  variables TEXT NOT NULL,
  initiator_kind TEXT NOT NULL,
  initiator_name TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  retry_of INTEGER,
  policy TEXT NOT NULL,
  idempotency_key TEXT,
  state_kind TEXT NOT NULL CHECK (state_kind IN ('PENDING', 'RUNNING', 'COMPLETE')),
  status TEXT CHECK (status IN ('SUCCESSFUL', 'FAILED', 'CANCELLED')),
  state TEXT NOT NULL,
  generation INTEGER NOT NULL,
  settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
  log_bytes INTEGER NOT NULL,
  logs_removed INTEGER NOT NULL CHECK (logs_removed IN (0, 1)),
  PRIMARY KEY (namespace_id, pipeline_id, run),
  FOREIGN KEY (namespace_id, pipeline_id) REFERENCES pipelines
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX runs_idempotency ON runs (namespace_id, pipeline_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_time ON runs (namespace_id, created_ms, pipeline_id, run);
CREATE INDEX runs_body ON runs (body);
-- What a restarted server goes on with, and whose logs may have to go: both few among many.
CREATE INDEX runs_unsettled ON runs (namespace_id, pipeline_id, run) WHERE settled = 0;
CREATE INDEX runs_with_logs ON runs (namespace_id, pipeline_id, run) WHERE logs_removed = 0;

CREATE TABLE task_runs (
  namespace_id TEXT NOT NULL,
  pipeline_id TEXT NOT NULL,
  run INTEGER NOT NULL,
  position INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  state_kind TEXT NOT NULL,
  status TEXT,
  state TEXT NOT NULL,
  PRIMARY KEY (namespace_id, pipeline_id, run, position),
  FOREIGN KEY (namespace_id, pipeline_id, run) REFERENCES runs ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The history outlives what it tells of, so nothing here refers to another table. The numbers have
-- no gaps: the writer counts, and a transaction that is undone takes its numbers back.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  namespace_id TEXT,
  pipeline_id TEXT,
  version INTEGER,
  run INTEGER,
  task_id TEXT,
  attempt INTEGER,
  ended TEXT,
  reason TEXT,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_pipeline ON events (namespace_id, pipeline_id);
