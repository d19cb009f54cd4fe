//! A user is ended: first nobody can use it, then its remains are cleaned up, then it is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use esi_core::Intent;
use thiserror::Error;

use super::PostgreSql;
use super::connect::{Row, Session};
use super::failure::{Budget, DEPENDENT_OBJECTS, Failure, UNDEFINED_OBJECT};
use super::name::Identifier;
use super::sql::{self, Cleaning, SelfGrant};
use crate::error::GeneratorError;
use crate::port::Progress;

/// All of one attempt. REASSIGN OWNED locks every table that the user owns, and waits for who uses it; an attempt
/// that ends here is repeated, and access has long ended.
const LIMIT: Duration = Duration::from_secs(30);
/// How often the server's view may change under us (another replica revokes the same user, somebody grants it
/// something) before an attempt is given up.
const PASSES: usize = 3;
/// First and longest pause between two looks for sessions: ending one takes a few milliseconds, or as long as its
/// statement does not check for interrupts.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(200);

const FIND: &str = "find the user";
const DISABLE: &str = "disable the user";
const TERMINATE: &str = "end the user's sessions";
const CLEAN: &str = "clean up what the user owns";
const DROP: &str = "drop the user";

/// A role of ours.
struct Role {
    name: Identifier,
    oid: String,
    /// Whether the admin has its privileges.
    usable: bool,
}

impl Role {
    /// A row of [`sql::find`].
    fn read(row: &Row) -> Option<Self> {
        Some(Self {
            name: Identifier::new(row.text(0)).ok()?,
            oid: row.text(1).to_owned(),
            usable: row.text(3) == "true",
        })
    }
}

/// The manifest leads elsewhere now.
#[derive(Debug, Error)]
#[error(
    "the user was made at {made_at} and is not at {here}, where the generator points now: it may live on there. Point \
     the generator there until its leases have ended, or drop the user by hand"
)]
struct Elsewhere {
    made_at: String,
    here: String,
}

/// Who would inherit may not. The user's access has ended; what it owns is a person's to judge.
#[derive(Debug, Error)]
#[error(
    "in database `{}` the user owns objects that the superuser `{}` would inherit, with whose rights they would run: \
     look at them, then write `reassignTo: <a role without rights>`, or `destructiveCleanup: true`, or give the \
     database an owner that is no superuser",
    database.escape_debug(),
    heir.escape_debug()
)]
struct SuperuserHeir {
    database: String,
    heir: String,
}

/// Why an attempt to revoke ended.
#[derive(Debug)]
enum Halt {
    Failed(Failure),
    Heir(SuperuserHeir),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Halt> for GeneratorError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failed(failure) => failure.into(),
            Halt::Heir(problem) => Self::Misconfigured {
                field: "spec.user.reassignTo",
                problem: Box::new(problem),
            },
        }
    }
}

/// `made_at` is the server of the handle, for a user that is known to have been made.
pub(super) async fn revoke(
    pg: &PostgreSql,
    intent: &Intent,
    made_at: Option<&str>,
    progress: &dyn Progress,
) -> Result<(), GeneratorError> {
    let budget = Budget::new(LIMIT);
    let mut found = false;
    for pass_number in 1..=PASSES {
        match pass(pg, intent, progress, &budget).await {
            Ok(was_there) => {
                found |= was_there;
                break;
            }
            Err(Halt::Failed(failure))
                if pass_number < PASSES
                    && (failure.is(UNDEFINED_OBJECT) || failure.is(DEPENDENT_OBJECTS)) =>
            {
                found = true;
            }
            Err(halt) => return Err(halt.into()),
        }
    }
    let here = pg.place.server();
    if let Some(made_at) = made_at
        && !found
        && made_at != here
    {
        return Err(GeneratorError::Misconfigured {
            field: "spec.host",
            problem: Box::new(Elsewhere {
                made_at: made_at.to_owned(),
                here,
            }),
        });
    }
    progress.access_ended().await;
    Ok(())
}

/// Answers whether there was anything to end.
async fn pass(
    pg: &PostgreSql,
    intent: &Intent,
    progress: &dyn Progress,
    budget: &Budget,
) -> Result<bool, Halt> {
    let (mut session, rows) = pg.pool.start(&sql::find(intent), budget, FIND).await?;
    let roles: Vec<Role> = rows.iter().filter_map(Role::read).collect();
    if roles.is_empty() {
        session.give_back();
        return Ok(false);
    }
    disable(&mut session, &roles, budget).await?;
    pg.checkpoint.reach("postgresql/nologin");
    let oids: Vec<&str> = roles.iter().map(|role| role.oid.as_str()).collect();
    let oids = oids.join(", ");
    end_sessions(&mut session, &oids, budget).await?;
    progress.access_ended().await;
    pg.checkpoint.reach("postgresql/access-ended");

    let places = session.run(&sql::belongings(&oids), budget, CLEAN).await?;
    session.give_back();
    clean(pg, &roles, &places, budget).await?;
    pg.checkpoint.reach("postgresql/reassigned");

    let drops: Vec<String> = roles.iter().map(|role| sql::drop_role(&role.name)).collect();
    let statement = sql::transaction(budget.left(), &drops.join("; "));
    let (mut session, _) = pg.pool.start(&statement, budget, DROP).await?;
    pg.checkpoint.reach("postgresql/dropped");
    // A login that had passed its check just before NOLOGIN may have shown itself only now.
    end_sessions(&mut session, &oids, budget).await?;
    session.give_back();
    Ok(true)
}

/// No new session from here on.
async fn disable(session: &mut Session, roles: &[Role], budget: &Budget) -> Result<(), Failure> {
    for role in roles {
        let grant = match (role.usable, session.version()) {
            (true, _) => SelfGrant::None,
            (false, ..160_000) => SelfGrant::Plain,
            (false, _) => SelfGrant::Inherited,
        };
        let statement = sql::transaction(budget.left(), &sql::no_login(&role.name, grant));
        session.run(&statement, budget, DISABLE).await?;
    }
    Ok(())
}

/// Asks the roles' sessions to end until there are none.
async fn end_sessions(session: &mut Session, oids: &str, budget: &Budget) -> Result<(), Failure> {
    let mut pause = FIRST_LOOK;
    loop {
        if session
            .run(&sql::terminate(oids), budget, TERMINATE)
            .await?
            .is_empty()
        {
            return Ok(());
        }
        if budget.left() < pause {
            return Err(budget.late(TERMINATE));
        }
        tokio::time::sleep(pause).await;
        pause = LAST_LOOK.min(pause * 2);
    }
}

/// What is owned in one database.
#[derive(Default)]
struct Owns {
    here: bool,
    /// A database or a tablespace: no database's own.
    shared: bool,
}

/// Takes from the roles what they own and were granted, in every database that the server's list of dependencies
/// (the one by which it refuses DROP ROLE) names.
async fn clean(pg: &PostgreSql, roles: &[Role], places: &[Row], budget: &Budget) -> Result<(), Halt> {
    let mut databases: BTreeMap<&str, Owns> = BTreeMap::new();
    for row in places {
        let owns = row.text(1) == "true";
        match row.text(0) {
            "" => databases.entry(pg.place.database.text()).or_default().shared |= owns,
            name => databases.entry(name).or_default().here |= owns,
        }
    }
    for (name, owns) in databases {
        let Ok(database) = Identifier::new(name) else {
            continue;
        };
        let cleaning = match (pg.user.destructive, owns.here, owns.shared) {
            (true, _, true) => Cleaning::DropThenReassign,
            (false, here, shared) if here || shared => Cleaning::ReassignThenDrop,
            _ => Cleaning::Drop,
        };
        clean_one(pg, roles, database, cleaning, budget).await?;
    }
    Ok(())
}

async fn clean_one(
    pg: &PostgreSql,
    roles: &[Role],
    database: Identifier,
    cleaning: Cleaning,
    budget: &Budget,
) -> Result<(), Halt> {
    let name = database.text().to_owned();
    let pool = pg.pools.get(&pg.place.with_database(database));
    let (mut session, rows) = pool.start(sql::DATABASE_OWNER, budget, CLEAN).await?;
    let column = |index| rows.first().map(|row| row.text(index)).unwrap_or_default();
    let owner = Identifier::new(column(0)).ok();
    let named = pg.user.reassign_to.as_ref();
    let heir = named
        .or(owner.as_ref())
        // A user that owns the database itself is not its own heir: DROP OWNED would then drop everything.
        .filter(|heir| roles.iter().all(|role| role.name != **heir));
    let is_superuser = column(if heir.is_some() { 1 } else { 2 }) == "true";
    if cleaning == Cleaning::ReassignThenDrop && named.is_none() && is_superuser {
        session.give_back();
        return Err(Halt::Heir(SuperuserHeir {
            heir: heir.unwrap_or(&pg.place.username).text().to_owned(),
            database: name,
        }));
    }
    for role in roles {
        let statement = sql::transaction(budget.left(), &sql::clean(&role.name, cleaning, heir));
        session.run(&statement, budget, CLEAN).await?;
    }
    session.give_back();
    Ok(())
}
