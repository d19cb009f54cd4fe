//! The table of flags and the verbs that take them.

/// What the program is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Init,
    Exec,
    Run,
    Render,
}

impl Verb {
    pub(crate) const ALL: [Self; 4] = [Self::Init, Self::Exec, Self::Run, Self::Render];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Exec => "exec",
            Self::Run => "run",
            Self::Render => "render",
        }
    }

    /// Whether a command follows the flags.
    pub(crate) const fn takes_command(self) -> bool {
        matches!(self, Self::Exec | Self::Run)
    }

    /// One line of what it does.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::Init => "fetch every planned credential into the pod's volumes and env files, then end",
            Self::Exec => {
                "become the command (same pid), with the values in its environment: fetched, or left by init"
            }
            Self::Run => "fetch, run the command, keep and rotate its credentials, revoke them at its end",
            Self::Render => "show what a plan makes of given values, without a network",
        }
    }
}

/// One flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flag {
    Environ,
    Plans,
    Servers,
    TokenFile,
    Volumes,
    EnvDir,
    Install,
    Deadline,
    Instance,
    Config,
    Plan,
    ServerUrl,
    Ca,
    Generator,
    Env,
    File,
    Binding,
    Ttl,
    Values,
    Out,
    Show,
}

/// What there is to know about a flag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    /// Without the two dashes.
    pub(crate) name: &'static str,
    /// The environment variable that stands for it.
    pub(crate) variable: Option<&'static str>,
    /// What to show for its value; a flag without one is a switch.
    pub(crate) value: Option<&'static str>,
    /// Whether it may be there more than once.
    pub(crate) repeats: bool,
    /// Which verbs take it.
    pub(crate) verbs: &'static [Verb],
    /// What it means.
    pub(crate) help: &'static str,
}

/// Verbs that talk to a server.
const ONLINE: &[Verb] = &[Verb::Init, Verb::Exec, Verb::Run];
/// Verbs for people, who may state one plan with flags.
const MANUAL: &[Verb] = &[Verb::Exec, Verb::Run, Verb::Render];
/// Verbs for people that talk to a server.
const MANUAL_ONLINE: &[Verb] = &[Verb::Exec, Verb::Run];

impl Flag {
    pub(crate) const ALL: [Self; 21] = [
        Self::Environ,
        Self::Plans,
        Self::Servers,
        Self::TokenFile,
        Self::Volumes,
        Self::EnvDir,
        Self::Install,
        Self::Deadline,
        Self::Instance,
        Self::Config,
        Self::Plan,
        Self::ServerUrl,
        Self::Ca,
        Self::Generator,
        Self::Env,
        Self::File,
        Self::Binding,
        Self::Ttl,
        Self::Values,
        Self::Out,
        Self::Show,
    ];

    /// The flag of that name which `verb` takes.
    pub(crate) fn find(verb: Verb, name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|flag| flag.spec().name == name && flag.spec().verbs.contains(&verb))
    }

    pub(crate) const fn spec(self) -> Spec {
        match self {
            Self::Environ => many(
                "environ",
                "FILE",
                &[Verb::Exec],
                "variables that `init` left for a plan with `envMethod: exec`, in place of fetching; of two with one \
                 name the last counts",
            ),
            Self::Plans => told(
                "plans",
                "ESI_PLANS",
                "JSON|@FILE",
                &Verb::ALL,
                "the plans, a JSON array",
            ),
            Self::Servers => told(
                "servers",
                "ESI_SERVERS",
                "JSON|@FILE",
                ONLINE,
                "the servers: {\"<name>\": {\"url\": \"https://…\", \"ca\": \"<PEM>\" or \"caFile\": \"<path>\", \
                 \"audience\": …, \"tokenFile\": …}}; the last two may be left out",
            ),
            Self::TokenFile => told(
                "token-file",
                "ESI_TOKEN_FILE",
                "FILE",
                ONLINE,
                "the workload's token, read anew for each attempt [default: /var/run/esi/token]",
            ),
            Self::Volumes => told(
                "volumes",
                "ESI_VOLUMES",
                "DIR",
                ONLINE,
                "files go to DIR/<binding>/ [default: /esi/volumes]; only `run` makes that directory, and \
                 removes at the end what it made",
            ),
            Self::EnvDir => told(
                "env-dir",
                "ESI_ENV_DIR",
                "DIR",
                &[Verb::Init],
                "variables go to DIR/<binding>.env [default: /esi/env]; that directory must exist. Those of a plan \
                 with `envMethod: exec` go to the file .environ of its volume",
            ),
            Self::Install => told(
                "install",
                "ESI_INSTALL",
                "DIR",
                &[Verb::Init],
                "first copy this program to DIR/esi-cli, for containers whose command is started by `exec`; that \
                 directory must exist",
            ),
            Self::Deadline => told(
                "deadline",
                "ESI_DEADLINE",
                "DURATION",
                ONLINE,
                "time for everything up to the command's start, retries included [default: 2m]",
            ),
            Self::Instance => told(
                "instance",
                "ESI_INSTANCE",
                "ID",
                ONLINE,
                "names this running instance when the token is not a pod's [default: a random UUID]",
            ),
            Self::Config => told(
                "config",
                "ESI_CONFIG",
                "FILE",
                &[Verb::Run],
                "JSON with any of plans, servers, tokenFile, volumes, deadline, instance; flags and variables win",
            ),
            Self::Plan => many("plan", "FILE", MANUAL, "a plan, in place of --plans"),
            Self::ServerUrl => typed(
                "server-url",
                "URL",
                MANUAL_ONLINE,
                "the server named `default`, in place of --servers",
            ),
            Self::Ca => typed(
                "ca",
                "FILE",
                MANUAL_ONLINE,
                "the CA that --server-url is checked against",
            ),
            Self::Generator => typed(
                "generator",
                "KIND/NAMESPACE/NAME",
                MANUAL,
                "states one plan in place of --plans, with the four flags that follow",
            ),
            Self::Env => many(
                "env",
                "NAME=KEY[,…]",
                MANUAL,
                "a variable for a key of the credential",
            ),
            Self::File => many(
                "file",
                "PATH=FORMAT|PATH=.KEY[,…]",
                MANUAL,
                "a file of all keys (env, dotenv, json), or of one",
            ),
            Self::Binding => typed("binding", "NAME", MANUAL, "the binding's name [default: default]"),
            Self::Ttl => typed(
                "ttl",
                "DURATION",
                MANUAL,
                "time to live to ask for, cut to what the server grants [default: the server's]",
            ),
            Self::Values => typed(
                "values",
                "FILE",
                &[Verb::Render],
                "the credential: a JSON object of strings",
            ),
            Self::Out => typed(
                "out",
                "DIR",
                &[Verb::Render],
                "write what `init` would, to DIR/<binding>/ and DIR/<binding>.env; without it, paths and sizes are listed",
            ),
            Self::Show => Spec {
                name: "show",
                variable: None,
                value: None,
                repeats: false,
                verbs: &[Verb::Render],
                help: "print the contents too: they are secret",
            },
        }
    }
}

/// A flag with a variable that stands for it.
const fn told(
    name: &'static str,
    variable: &'static str,
    value: &'static str,
    verbs: &'static [Verb],
    help: &'static str,
) -> Spec {
    Spec {
        name,
        variable: Some(variable),
        value: Some(value),
        repeats: false,
        verbs,
        help,
    }
}

/// A flag that is typed or absent.
const fn typed(name: &'static str, value: &'static str, verbs: &'static [Verb], help: &'static str) -> Spec {
    Spec {
        name,
        variable: None,
        value: Some(value),
        repeats: false,
        verbs,
        help,
    }
}

/// A flag that may be typed many times.
const fn many(name: &'static str, value: &'static str, verbs: &'static [Verb], help: &'static str) -> Spec {
    Spec {
        name,
        variable: None,
        value: Some(value),
        repeats: true,
        verbs,
        help,
    }
}
