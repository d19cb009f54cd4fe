//! Every statement, as a pure function of what goes into it. Names come as [`Identifier`]s and so are quoted.

use std::fmt::Write as _;
use std::time::Duration;

use esi_core::Intent;
use postgres_protocol::escape::escape_literal;

use super::config::User;
use super::name::Identifier;

/// Longest span that is written into a statement, as PostgreSQL's own `integer` milliseconds allow: 24 days.
const MAX_LIMIT_MILLIS: u128 = i32::MAX as u128;
/// Longest time to live: ten years, far above any and far below what PostgreSQL's timestamps hold.
const MAX_TTL_MILLIS: u128 = 10 * 366 * 24 * 3600 * 1000;

/// What every new connection is told. `pg_catalog` alone, so that no function or operator of a user's own schema can
/// take the place of one of ours; commits that are on disk when they are answered, since a revocation must not come
/// undone when the server crashes.
pub(super) const PROLOGUE: &str = "SET search_path = pg_catalog; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// `body` in a transaction that the server itself ends after `limit`.
pub(super) fn transaction(limit: Duration, body: &str) -> String {
    format!("{}; {body}; COMMIT", begin(limit))
}

fn begin(limit: Duration) -> String {
    // 0 would mean no limit.
    let limit = limit.as_millis().clamp(1, MAX_LIMIT_MILLIS);
    format!(
        "BEGIN; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {limit}; \
         SET LOCAL idle_in_transaction_session_timeout = {limit}"
    )
}

fn from_now(span: Duration, most: u128) -> String {
    format!(
        "clock_timestamp() + interval '{} milliseconds'",
        span.as_millis().min(most)
    )
}

/// Opens the mint. The first row: when the mint must have landed, when the user expires, by the server's clock. Each
/// further row: a role that cannot be used, and why (`missing`, `admin`; `heir`: the database's owner is a superuser,
/// and the manifest names nobody else to inherit).
pub(super) fn open_mint(limit: Duration, ttl: Duration, user: &User) -> String {
    let wanted: Vec<String> = user
        .roles
        .iter()
        .chain(&user.reassign_to)
        .map(Identifier::literal)
        .collect();
    let granted: Vec<String> = user.roles.iter().map(Identifier::literal).collect();
    let heir = if user.destructive || user.reassign_to.is_some() {
        ""
    } else {
        " UNION ALL \
         SELECT o.rolname::text, 'heir' FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba \
           WHERE d.datname = current_database() AND o.rolsuper"
    };
    format!(
        "{begin}; SELECT ({deadline})::text, ({expiry})::text; \
         SELECT wanted, 'missing' FROM unnest(ARRAY[{wanted}]::text[]) AS wanted \
           WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \
         UNION ALL \
         SELECT r.rolname::text, 'admin' FROM unnest(ARRAY[{granted}]::text[]) AS granted \
           JOIN pg_roles r ON r.rolname = granted JOIN pg_roles me ON me.rolname = current_user \
           WHERE NOT me.rolsuper AND pg_has_role(r.oid, me.oid, 'MEMBER'){heir}",
        begin = begin(limit),
        deadline = from_now(limit, MAX_LIMIT_MILLIS),
        expiry = from_now(ttl, MAX_TTL_MILLIS),
        wanted = wanted.join(", "),
        granted = granted.join(", "),
    )
}

/// Makes the user, inside the open transaction.
pub(super) fn create(role: &Identifier, verifier: &str, expiry: &str, user: &User) -> String {
    let mut sql = format!(
        "CREATE ROLE {role} LOGIN {} PASSWORD {} VALID UNTIL {}",
        user.attributes,
        escape_literal(verifier),
        escape_literal(expiry)
    );
    for granted in &user.roles {
        // Writing to a String cannot fail.
        write!(sql, "; GRANT {granted} TO {role}").unwrap_or_default();
    }
    sql
}

/// Ends the mint: fails, by dividing by zero, if the deadline has passed, so that the `COMMIT` behind it does
/// nothing. Plain SQL, since a database may be without PL/pgSQL.
pub(super) fn close_mint(deadline: &str) -> String {
    format!(
        "SELECT (1 / (clock_timestamp() < {}::timestamptz)::int)::text; COMMIT",
        escape_literal(deadline)
    )
}

/// The roles of an intent: name, oid, whether they can log in (`t`, `f`), whether the admin has their privileges.
pub(super) fn find(intent: &Intent) -> String {
    let name = intent.name('_');
    format!(
        "SELECT rolname::text, oid::text, rolcanlogin::text, pg_has_role(oid, 'USAGE')::text FROM pg_roles \
         WHERE rolname = {exact} OR left(rolname::text, {length}) = {prefix} ORDER BY rolname",
        exact = escape_literal(&name),
        length = name.len() + 1,
        prefix = escape_literal(&format!("{name}_")),
    )
}

/// When a user that is renewed now expires, by the server's clock, beside each role of the intent.
pub(super) fn find_to_renew(intent: &Intent, ttl: Duration) -> String {
    format!(
        "SELECT found.*, ({})::text FROM ({}) AS found",
        from_now(ttl, MAX_TTL_MILLIS),
        find(intent)
    )
}

/// Moves the expiry.
pub(super) fn renew(role: &Identifier, expiry: &str) -> String {
    format!("ALTER ROLE {role} VALID UNTIL {}", escape_literal(expiry))
}

/// Whether and how the admin has to grant itself the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SelfGrant {
    /// It has the role's privileges.
    None,
    /// Before PostgreSQL 16.
    Plain,
    /// From PostgreSQL 16 on, where a grant says whether it is inherited.
    Inherited,
}

/// No new session from here on; and the admin gets the right to end the old ones.
pub(super) fn no_login(role: &Identifier, grant: SelfGrant) -> String {
    let alter = format!("ALTER ROLE {role} NOLOGIN PASSWORD NULL");
    match grant {
        SelfGrant::None => alter,
        SelfGrant::Plain => format!("{alter}; GRANT {role} TO CURRENT_USER"),
        SelfGrant::Inherited => format!("{alter}; GRANT {role} TO CURRENT_USER WITH INHERIT TRUE"),
    }
}

/// Asks every session of the roles to end; a row for each that was there.
pub(super) fn terminate(oids: &str) -> String {
    format!("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE usesysid IN ({oids})")
}

/// Where the roles own something or are granted something: the database (NULL: what all databases share) and
/// whether anything there is owned.
pub(super) fn belongings(oids: &str) -> String {
    format!(
        "SELECT d.datname::text, bool_or(s.deptype = 'o')::text FROM pg_shdepend s \
         LEFT JOIN pg_database d ON d.oid = s.dbid \
         WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid IN ({oids}) \
         GROUP BY s.dbid, d.datname ORDER BY s.dbid = 0, d.datname"
    )
}

/// Who inherits in the database that one is connected to where the manifest names nobody: its owner, and whether that
/// one is a superuser; in place of an owner that is a user to be revoked, the admin, and whether that one is.
pub(super) const DATABASE_OWNER: &str = "SELECT o.rolname::text, o.rolsuper::text, me.rolsuper::text \
    FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba JOIN pg_roles me ON me.rolname = current_user \
    WHERE d.datname = current_database()";

/// What becomes of what a role owns in the connected database. What it was granted is taken in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleaning {
    /// It is dropped; or there is nothing, and nobody's consent is needed to hand it over.
    Drop,
    /// An heir gets it.
    ReassignThenDrop,
    /// It is dropped, and an heir gets the databases and tablespaces, which DROP OWNED leaves alone.
    DropThenReassign,
}

/// Takes from the role what it owns and was granted in the connected database. `heir`: `None` is the admin itself.
pub(super) fn clean(role: &Identifier, cleaning: Cleaning, heir: Option<&Identifier>) -> String {
    let drop = format!("DROP OWNED BY {role}");
    let heir = heir.map_or_else(|| "CURRENT_USER".to_owned(), Identifier::to_string);
    let reassign = format!("REASSIGN OWNED BY {role} TO {heir}");
    match cleaning {
        Cleaning::Drop => drop,
        Cleaning::ReassignThenDrop => format!("{reassign}; {drop}"),
        Cleaning::DropThenReassign => format!("{drop}; {reassign}"),
    }
}

/// Removes the role.
pub(super) fn drop_role(role: &Identifier) -> String {
    format!("DROP ROLE IF EXISTS {role}")
}
