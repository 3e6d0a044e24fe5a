CREATE TABLE force_off (
  id TEXT COLLATE "C" PRIMARY KEY, tenant BIGINT NOT NULL, scope TEXT COLLATE "C" NOT NULL, state TEXT COLLATE "C" NOT NULL,
  users BIGINT NOT NULL, connections BIGINT NOT NULL, reached BIGINT NOT NULL, serial BIGINT, selection TEXT COLLATE "C" NOT NULL,
  next_at BIGINT NOT NULL, notice TEXT COLLATE "C" NOT NULL, entry TEXT COLLATE "C" NOT NULL, reason TEXT COLLATE "C" NOT NULL
);
CREATE INDEX force_off_by_tenant ON force_off (tenant, id);
CREATE INDEX force_off_open ON force_off (next_at, id) WHERE state = 'ordered';
CREATE TABLE dry_run (
  id TEXT COLLATE "C" PRIMARY KEY, tenant BIGINT NOT NULL, body TEXT COLLATE "C" NOT NULL, until BIGINT NOT NULL,
  users BIGINT NOT NULL, connections BIGINT NOT NULL, ordered TEXT COLLATE "C"
);
CREATE TABLE selected (
  id TEXT COLLATE "C" NOT NULL, part BIGINT NOT NULL, users TEXT COLLATE "C" NOT NULL, PRIMARY KEY (id, part)
);
