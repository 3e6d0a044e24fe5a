-- Orders to many users. `node`: who brings it to them, or nobody where nothing is left of that. Of an order to a whole tenant every process
-- brings it to its own sockets; `notice` is what consoles get by it.
CREATE TABLE delivery (serial BIGINT PRIMARY KEY, node BIGINT, tenant BIGINT, notice TEXT COLLATE "C");
CREATE INDEX delivery_by_tenant ON delivery (tenant);
-- The newest order up to which nothing is left to be brought to the sockets of a process.
ALTER TABLE node ADD COLUMN settled BIGINT NOT NULL DEFAULT -1;
