CREATE INDEX record_imported_of_tenant ON record (tenant, "user", online_at, offline_at, source, id)
  WHERE offline_at IS NULL AND source = 1;
