PRAGMA application_id = 1198483058;
PRAGMA user_version = 1;
BEGIN;
CREATE TABLE server (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  instance TEXT NOT NULL,
  ingress INTEGER NOT NULL CHECK (ingress IN (0, 1)),
  created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO server VALUES (1, '00000000000000000000000000', 1, 0);
CREATE TABLE namespaces (
  namespace_id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  deleting INTEGER NOT NULL CHECK (deleting IN (0, 1)),
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO namespaces VALUES ('default', 'default', 'where pipelines live that name no namespace', 0, 0, 0);
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
INSERT INTO pipelines VALUES ('default', 'simple', 1, 0, 1, 1, 3, 1001, 1002);
CREATE TABLE config_bodies (
  body INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL UNIQUE,
  json TEXT NOT NULL
) STRICT;
INSERT INTO config_bodies VALUES (1, X'316542DBEEBB5180B7FCFA022014C7F3D9B5B3D57AD0715D1E9C4E8A5F071DF8', '{"id":"simple","name":"Name v1","description":"v1","parallelism":3,"timeout_ms":null,"tasks":[{"id":"build","description":"","image":"alpine","registry_auth":null,"pull_policy":"IF_NOT_PRESENT","depends_on":[],"variables":{},"entrypoint":[],"command":["true"],"script":null,"retries":{"count":0,"delay_ms":0,"factor_milli":1000,"cap_ms":null},"timeout_ms":null,"cpu_milli":null,"memory_bytes":null,"user":null,"workdir":null,"labels":{}},{"id":"test","description":"","image":"alpine","registry_auth":null,"pull_policy":"IF_NOT_PRESENT","depends_on":[{"parent":"build","need":"SUCCESS"}],"variables":{},"entrypoint":[],"command":["true"],"script":null,"retries":{"count":0,"delay_ms":0,"factor_milli":1000,"cap_ms":null},"timeout_ms":null,"cpu_milli":null,"memory_bytes":null,"user":null,"workdir":null,"labels":{}}]}');
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
INSERT INTO configs VALUES ('default', 'simple', 1, 'LIVE', 'ec5888cc890cab3ad5415e6f6e578a033b80d0b799ad712625ab3e758d4ccd2c', 1, 'Name v1', 'v1', 1001, NULL, '{"kind":"UP","git_commit":"abc","git_dirty":true,"author":null}', 'USER', 'ann');
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
INSERT INTO deployments VALUES ('default', 'simple', 1, NULL, 1, 'IMMEDIATE', 'COMPLETE', 'SUCCESSFUL', 1002, 1002, 'USER', 'ann', 'it is time', '');
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
INSERT INTO runs VALUES ('default', 'simple', 1, '00000000000000000000000001', 1, 1, '{"WHO":"me"}', 'USER', 'ann', 'because', 1003, NULL, '{"stop_grace_ms":300000,"infra_retries":3,"infra_delay_ms":1000,"task_timeout_ms_max":null,"parallelism":3}', 'once', 'RUNNING', NULL, '{"running":{"started":1004,"cancel":null,"timed_out":false}}', 2, 0, 0, 0);
INSERT INTO runs VALUES ('default', 'simple', 2, '00000000000000000000000002', 1, 1, '{"WHO":"me"}', 'USER', 'ann', 'because', 1006, NULL, '{"stop_grace_ms":300000,"infra_retries":3,"infra_delay_ms":1000,"task_timeout_ms_max":null,"parallelism":3}', NULL, 'COMPLETE', 'SUCCESSFUL', '{"complete":{"started":1007,"ended":1009,"outcome":{"status":"SUCCESSFUL","reason":null,"text":"2 of 2 task runs successful"},"cancel":null}}', 5, 1, 123, 0);
INSERT INTO runs VALUES ('default', 'simple', 3, '00000000000000000000000003', 1, 1, '{"WHO":"me"}', 'USER', 'ann', 'because', 1012, NULL, '{"stop_grace_ms":300000,"infra_retries":3,"infra_delay_ms":1000,"task_timeout_ms_max":null,"parallelism":3}', NULL, 'RUNNING', NULL, '{"running":{"started":1013,"cancel":{"at":1014,"by":{"kind":"USER","name":"ann"},"reason":"no more","force":"GRACE","whole_run":true},"timed_out":false}}', 2, 0, 0, 0);
CREATE UNIQUE INDEX runs_idempotency ON runs (namespace_id, pipeline_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_time ON runs (namespace_id, created_ms, pipeline_id, run);
CREATE INDEX runs_body ON runs (body);
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
INSERT INTO task_runs VALUES ('default', 'simple', 1, 0, 'build', 'COMPLETE', 'SUCCESSFUL', '{"task":"build","state":{"complete":{"ended":1005,"outcome":"succeeded"}},"attempts":[{"number":1,"queued":1004,"pull":null,"started":1004,"ended":1004,"digest":null,"container":{"key":{"uid":"00000000000000000000000001","task":"build","attempt":1},"id":"c1"},"exit":{"code":0,"oom":false,"interrupted":false,"started_ms":1,"ended_ms":2},"failure":null,"collected":null}],"user_failures":0,"infra_failures":0}');
INSERT INTO task_runs VALUES ('default', 'simple', 1, 1, 'test', 'STARTING', NULL, '{"task":"test","state":{"starting":{"attempt":1}},"attempts":[{"number":1,"queued":1005,"pull":null,"started":null,"ended":null,"digest":null,"container":null,"exit":null,"failure":null,"collected":null}],"user_failures":0,"infra_failures":0}');
INSERT INTO task_runs VALUES ('default', 'simple', 2, 0, 'build', 'COMPLETE', 'SUCCESSFUL', '{"task":"build","state":{"complete":{"ended":1008,"outcome":"succeeded"}},"attempts":[{"number":1,"queued":1007,"pull":null,"started":1007,"ended":1007,"digest":null,"container":{"key":{"uid":"00000000000000000000000001","task":"build","attempt":1},"id":"c1"},"exit":{"code":0,"oom":false,"interrupted":false,"started_ms":1,"ended_ms":2},"failure":null,"collected":{"state":"SEALED","bytes":100,"lines":1}}],"user_failures":0,"infra_failures":0}');
INSERT INTO task_runs VALUES ('default', 'simple', 2, 1, 'test', 'COMPLETE', 'SUCCESSFUL', '{"task":"test","state":{"complete":{"ended":1009,"outcome":"succeeded"}},"attempts":[{"number":1,"queued":1008,"pull":null,"started":1008,"ended":1008,"digest":null,"container":{"key":{"uid":"00000000000000000000000001","task":"test","attempt":1},"id":"c1"},"exit":{"code":0,"oom":false,"interrupted":false,"started_ms":1,"ended_ms":2},"failure":null,"collected":{"state":"SEALED","bytes":23,"lines":1}}],"user_failures":0,"infra_failures":0}');
INSERT INTO task_runs VALUES ('default', 'simple', 3, 0, 'build', 'STOPPING', NULL, '{"task":"build","state":{"stopping":{"attempt":1,"because":"user_cancelled","force":"GRACE","kill_at":301014,"since":null}},"attempts":[{"number":1,"queued":1013,"pull":null,"started":null,"ended":null,"digest":null,"container":null,"exit":null,"failure":null,"collected":null}],"user_failures":0,"infra_failures":0}');
INSERT INTO task_runs VALUES ('default', 'simple', 3, 1, 'test', 'COMPLETE', 'CANCELLED', '{"task":"test","state":{"complete":{"ended":1014,"outcome":{"cancelled":{"reason":"USER_CANCELLED"}}}},"attempts":[],"user_failures":0,"infra_failures":0}');
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
INSERT INTO events VALUES (1, 1001, 'PIPELINE_REGISTERED', 'default', 'simple', 1, NULL, NULL, NULL, NULL, NULL, 'version 1 of pipeline `simple` was registered by ann');
INSERT INTO events VALUES (2, 1002, 'DEPLOYMENT_COMPLETED', 'default', 'simple', 1, NULL, NULL, NULL, 'SUCCESSFUL', NULL, 'version 1 of pipeline `simple` went live, deployed by ann');
INSERT INTO events VALUES (3, 1003, 'RUN_CREATED', 'default', 'simple', 1, 1, NULL, NULL, NULL, NULL, 'started by ann: because');
INSERT INTO events VALUES (4, 1004, 'RUN_STARTED', 'default', 'simple', 1, 1, NULL, NULL, NULL, NULL, 'got its slot');
INSERT INTO events VALUES (5, 1005, 'TASK_RUN_COMPLETED', 'default', 'simple', 1, 1, 'build', NULL, 'SUCCESSFUL', NULL, 'exited with code 0');
INSERT INTO events VALUES (6, 1006, 'RUN_CREATED', 'default', 'simple', 1, 2, NULL, NULL, NULL, NULL, 'started by ann: because');
INSERT INTO events VALUES (7, 1007, 'RUN_STARTED', 'default', 'simple', 1, 2, NULL, NULL, NULL, NULL, 'got its slot');
INSERT INTO events VALUES (8, 1008, 'TASK_RUN_COMPLETED', 'default', 'simple', 1, 2, 'build', NULL, 'SUCCESSFUL', NULL, 'exited with code 0');
INSERT INTO events VALUES (9, 1009, 'TASK_RUN_COMPLETED', 'default', 'simple', 1, 2, 'test', NULL, 'SUCCESSFUL', NULL, 'exited with code 0');
INSERT INTO events VALUES (10, 1009, 'RUN_COMPLETED', 'default', 'simple', 1, 2, NULL, NULL, 'SUCCESSFUL', NULL, '2 of 2 task runs successful');
INSERT INTO events VALUES (11, 1012, 'RUN_CREATED', 'default', 'simple', 1, 3, NULL, NULL, NULL, NULL, 'started by ann: because');
INSERT INTO events VALUES (12, 1013, 'RUN_STARTED', 'default', 'simple', 1, 3, NULL, NULL, NULL, NULL, 'got its slot');
INSERT INTO events VALUES (13, 1014, 'RUN_CANCEL_REQUESTED', 'default', 'simple', 1, 3, NULL, NULL, NULL, NULL, 'ann asked to cancel: no more');
INSERT INTO events VALUES (14, 1014, 'TASK_RUN_COMPLETED', 'default', 'simple', 1, 3, 'test', NULL, 'CANCELLED', 'USER_CANCELLED', 'cancelled by a user');
CREATE INDEX events_by_pipeline ON events (namespace_id, pipeline_id);
COMMIT;
