-- Processes. `state`: 0 it serves, 1 it was declared dead, 2 it has left. `alone`: it knows of no others. `entered`: what was left open before
-- it is ended, or others see to that. `swept`: whether nothing is left of it elsewhere. `timeline`: that of the engine, as it knows it.
-- `lease`: for how many milliseconds it may be silent.
CREATE TABLE node (
  id BIGINT PRIMARY KEY, name TEXT COLLATE "C" NOT NULL, version TEXT COLLATE "C" NOT NULL, started_at BIGINT NOT NULL,
  alive_at BIGINT NOT NULL, beat BIGINT NOT NULL DEFAULT 0, sockets BIGINT NOT NULL DEFAULT 0,
  state BIGINT NOT NULL DEFAULT 0, alone BIGINT NOT NULL DEFAULT 0, entered BIGINT NOT NULL DEFAULT 0,
  swept BIGINT NOT NULL DEFAULT 0, timeline TEXT COLLATE "C" NOT NULL DEFAULT '', lease BIGINT NOT NULL CHECK (lease >= 1000)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- Users of whom a dead process may have left something due.
CREATE TABLE wake ("user" TEXT COLLATE "C" PRIMARY KEY, at BIGINT NOT NULL);
-- Behind this, a transaction of the process `me` commits before anybody declares it dead, or not at all.
CREATE FUNCTION fence(me BIGINT) RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(current_schema(), me));
  IF NOT EXISTS (SELECT FROM node WHERE id = me AND state = 0) THEN
    RAISE EXCEPTION 'this process was declared dead' USING ERRCODE = 'RC001';
  END IF;
  RETURN me;
END $$;
-- Declares a process dead that has not beaten since `seen`, behind all of its commits: while one is under way, it does not. Whether it did.
CREATE FUNCTION declare_dead(other BIGINT, seen BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(current_schema(), other)) THEN
    RETURN FALSE;
  END IF;
  UPDATE node SET state = 1 WHERE id = other AND beat = seen AND state = 0;
  RETURN FOUND;
END $$;
-- Says that the process `me` has left, behind all of its commits.
CREATE FUNCTION leave(me BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(current_schema(), me));
  UPDATE node SET state = 2, alive_at = clock(), sockets = 0 WHERE id = me AND state = 0;
  RETURN FOUND;
END $$;
