CREATE TABLE audit (
  id TEXT COLLATE "C" NOT NULL, target TEXT COLLATE "C" NOT NULL, tenant BIGINT NOT NULL, given_by TEXT COLLATE "C" NOT NULL,
  operation TEXT COLLATE "C" NOT NULL, progress TEXT COLLATE "C" NOT NULL, users BIGINT, connections BIGINT,
  details TEXT COLLATE "C" NOT NULL, PRIMARY KEY (id, target)
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_target ON audit (tenant, target, id);
CREATE INDEX audit_by_giver ON audit (tenant, given_by, id);
