-- What a process has for sockets of another one, which brings it to them and removes the row then.
CREATE TABLE parcel (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, node BIGINT NOT NULL, sender BIGINT NOT NULL,
  "user" TEXT COLLATE "C" NOT NULL, connection TEXT COLLATE "C" NOT NULL, closes BIGINT NOT NULL, body TEXT COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX parcel_by_node ON parcel (node, id);
CREATE INDEX parcel_by_user ON parcel ("user");
