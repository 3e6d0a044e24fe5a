CREATE TABLE "user" (
  id TEXT COLLATE "C" PRIMARY KEY, tenant BIGINT, last_order BIGINT NOT NULL DEFAULT 0,
  issue_clock TEXT COLLATE "C" NOT NULL DEFAULT '', revoked_at BIGINT, unlocked_at BIGINT,
  revoked_in TEXT COLLATE "C" NOT NULL DEFAULT '', home BIGINT, unlocked_in TEXT COLLATE "C" NOT NULL DEFAULT '',
  unseen_at BIGINT, first_expiry BIGINT
);
CREATE INDEX user_unseen ON "user" (unseen_at) WHERE unseen_at IS NOT NULL;
CREATE TABLE account (
  "user" TEXT COLLATE "C" PRIMARY KEY, nickname TEXT COLLATE "C" NOT NULL, face_url TEXT COLLATE "C" NOT NULL
);
CREATE TABLE token (
  "user" TEXT COLLATE "C" NOT NULL, hash TEXT COLLATE "C" NOT NULL, platform BIGINT NOT NULL, ord BIGINT NOT NULL,
  issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, state BIGINT NOT NULL, under BIGINT NOT NULL DEFAULT -1,
  PRIMARY KEY ("user", hash)
);
CREATE INDEX token_by_expiry ON token (expires_at);
CREATE TABLE held_end (
  "user" TEXT COLLATE "C" NOT NULL, record BIGINT NOT NULL, ended_at BIGINT NOT NULL, until BIGINT NOT NULL,
  PRIMARY KEY ("user", record)
);
CREATE TABLE subscription (
  "user" TEXT COLLATE "C" NOT NULL, connection TEXT COLLATE "C" NOT NULL, watched TEXT COLLATE "C" NOT NULL,
  stamp BIGINT NOT NULL, sequence BIGINT NOT NULL DEFAULT 0, platforms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY ("user", connection, watched)
);
CREATE TABLE watcher (
  "user" TEXT COLLATE "C" NOT NULL, watcher TEXT COLLATE "C" NOT NULL, stamp BIGINT NOT NULL,
  PRIMARY KEY ("user", watcher)
);
CREATE TABLE ties (
  "user" TEXT COLLATE "C" PRIMARY KEY, sequence BIGINT NOT NULL, told BIGINT, due BIGINT NOT NULL,
  after TEXT COLLATE "C" NOT NULL, wave TEXT COLLATE "C" NOT NULL, release_at BIGINT,
  registered BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE record (
  id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, "user" BIGINT NOT NULL, full_name TEXT COLLATE "C" NOT NULL,
  avatar TEXT COLLATE "C", user_agent TEXT COLLATE "C" NOT NULL, device_id TEXT COLLATE "C" NOT NULL,
  remote_address TEXT COLLATE "C" NOT NULL, online_at BIGINT NOT NULL, offline_at BIGINT, lease_until BIGINT,
  source BIGINT NOT NULL, generation BIGINT NOT NULL, member_of TEXT COLLATE "C", under BIGINT NOT NULL DEFAULT -1,
  bucket BIGINT
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01);
CREATE INDEX record_by_tenant ON record (tenant, id);
CREATE INDEX record_by_user ON record (tenant, "user", device_id, id);
CREATE INDEX record_by_name ON record (tenant, full_name, remote_address, id);
CREATE INDEX record_by_online ON record (tenant, online_at, id);
CREATE INDEX record_ended ON record (tenant, offline_at, id) WHERE offline_at IS NOT NULL;
CREATE INDEX record_ended_by_user ON record (tenant, "user", offline_at, id) WHERE offline_at IS NOT NULL;
CREATE INDEX record_open ON record (tenant, id, online_at, "user", lease_until, offline_at, under, source)
  WHERE offline_at IS NULL;
CREATE INDEX record_leased ON record (lease_until) WHERE offline_at IS NULL AND lease_until IS NOT NULL;
CREATE INDEX record_imported ON record ("user", tenant) WHERE offline_at IS NULL AND source = 1;
CREATE TABLE tenant_mark (
  tenant BIGINT PRIMARY KEY, at BIGINT NOT NULL, sequence BIGINT NOT NULL, exempt TEXT COLLATE "C" NOT NULL,
  lifted BIGINT NOT NULL
);
CREATE TABLE lease (id BIGINT PRIMARY KEY CHECK (id = 1), renewed_at BIGINT NOT NULL);
CREATE TABLE scoped_cutoff (
  serial BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, at BIGINT NOT NULL, notice TEXT COLLATE "C" NOT NULL,
  users BIGINT NOT NULL
);
CREATE TABLE scoped_user (
  "user" TEXT COLLATE "C" NOT NULL, serial BIGINT NOT NULL, PRIMARY KEY ("user", serial)
);
CREATE INDEX scoped_user_by_serial ON scoped_user (serial, "user");
CREATE TABLE last_serial (id BIGINT PRIMARY KEY CHECK (id = 1), serial BIGINT NOT NULL);
