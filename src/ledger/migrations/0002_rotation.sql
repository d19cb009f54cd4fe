-- A person asked for the next generation of an active lease: its workload is told when it reports.
ALTER TABLE leases ADD COLUMN rotation_asked INTEGER NOT NULL DEFAULT 0;
