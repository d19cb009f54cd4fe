-- The ledger, first version. Times are milliseconds since 1970 by the store's time, spans are milliseconds.
-- Nothing secret is here: a handle only says how to find a credential at its backend.

PRAGMA application_id = 0x4553494C; -- "ESIL"

CREATE TABLE meta (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    installation TEXT    NOT NULL,
    -- Changes when the ledger may have lost what its backends still have (a restore, a fail-over).
    epoch        INTEGER NOT NULL,
    -- The store's time at the last commit: it never runs backwards, not even over a restart.
    time         INTEGER NOT NULL
) STRICT;

CREATE TABLE leases (
    id              TEXT    NOT NULL UNIQUE,
    epoch           INTEGER NOT NULL,
    cluster         TEXT    NOT NULL,
    instance        TEXT    NOT NULL,
    binding         TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    owner           TEXT    NOT NULL,
    generator       TEXT    NOT NULL,
    request_id      TEXT    NOT NULL,
    begun_at        INTEGER NOT NULL,
    mint_deadline   INTEGER NOT NULL,
    sweep_until     INTEGER NOT NULL,
    overlap         INTEGER NOT NULL,

    state           TEXT    NOT NULL CHECK (state IN ('intent', 'active', 'revoking', 'access_ended', 'revoked',
                                                      'sweeping', 'abandoned', 'dead')),
    acknowledged    INTEGER NOT NULL,
    handle          TEXT,
    ends            TEXT    NOT NULL,
    renewable       INTEGER NOT NULL,
    issued_at       INTEGER,
    expires_at      INTEGER,
    max_expires_at  INTEGER,
    alive_until     INTEGER,
    overlap_until   INTEGER,
    end_reason      TEXT,
    ended_at        INTEGER,
    granted         INTEGER NOT NULL DEFAULT 0,

    work_at         INTEGER,
    fence           INTEGER NOT NULL,
    held_at         INTEGER,
    held_until      INTEGER,
    attempts        INTEGER NOT NULL,
    last_error      TEXT,
    next_due        INTEGER,

    CHECK (state <> 'active' OR expires_at IS NOT NULL),
    CHECK ((next_due IS NULL) = (state IN ('revoked', 'abandoned', 'dead')))
) STRICT;

-- Each binding's generations count upwards; the newest one is the last entry of its binding.
CREATE UNIQUE INDEX leases_generations ON leases (cluster, instance, binding, generation);
-- The live leases of a binding or of a whole instance: two at most per binding, however often it was restarted.
CREATE INDEX leases_live ON leases (cluster, instance, binding, generation) WHERE state IN ('intent', 'active');
-- The queue. The generator is in it so that those without room are passed over without reading their rows.
CREATE INDEX leases_due ON leases (next_due, generator) WHERE next_due IS NOT NULL;
-- What people list, in order.
CREATE INDEX leases_unfinished ON leases (id) WHERE state NOT IN ('revoked', 'abandoned');

-- Counting a million rows would stop the one thread that writes; two small updates per transition do not.
CREATE TABLE counts (
    state  TEXT    PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counts VALUES ('intent', 0), ('active', 0), ('revoking', 0), ('access_ended', 0), ('revoked', 0),
                          ('sweeping', 0), ('abandoned', 0), ('dead', 0);

CREATE TRIGGER leases_counted AFTER INSERT ON leases BEGIN
    UPDATE counts SET number = number + 1 WHERE state = NEW.state;
END;

CREATE TRIGGER leases_recounted AFTER UPDATE OF state ON leases WHEN OLD.state <> NEW.state BEGIN
    UPDATE counts SET number = number - 1 WHERE state = OLD.state;
    UPDATE counts SET number = number + 1 WHERE state = NEW.state;
END;
