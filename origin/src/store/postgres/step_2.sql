CREATE TABLE live (
  connection TEXT COLLATE "C" PRIMARY KEY, "user" TEXT COLLATE "C" NOT NULL, node BIGINT NOT NULL, kind BIGINT NOT NULL,
  record BIGINT, platform BIGINT, token_hash TEXT COLLATE "C", opened_at BIGINT NOT NULL, under BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX live_by_user ON live ("user");
CREATE INDEX live_by_node ON live (node, connection);
ALTER TABLE version ADD COLUMN holder BIGINT;
CREATE FUNCTION clock() RETURNS BIGINT LANGUAGE sql VOLATILE
  AS 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
