//! A throw-away PostgreSQL server, made from the programs that Debian installs.
use anyhow::{Context, Result, bail, ensure};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian and Ubuntu put PostgreSQL's programs, one folder per major version.
const INSTALLED: &str = "/usr/lib/postgresql";

/// How often a start is tried when somebody takes the free port first.
const START_ATTEMPTS: u32 = 5;

/// What every server is started with; `fsync` stays on, as what is tested may be durability.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "on"),
    ("shared_buffers", "64MB"),
    ("max_connections", "200"),
    ("max_wal_size", "2GB"),
    ("log_min_messages", "warning"),
];

/// Waits until its input closes, which the death of the test process does too, and clears up.
const REAPER: &str =
    r#"cat >/dev/null; "$1/pg_ctl" -D "$2/data" stop -m immediate -w; rm -rf "$2""#;

/// A running server with a data directory of its own. Stopped and deleted on drop.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    home: PathBuf,
    owner: Option<Owner>,
    port: u16,
    settings: Vec<(String, String)>,
    reaper: Child,
    reaper_input: Option<ChildStdin>,
    databases: AtomicU32,
}

/// Whom the server runs as when the tests run as root, which PostgreSQL refuses to.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Makes and starts a server.
    ///
    /// # Errors
    /// No PostgreSQL is installed (names the package), or it does not start (shows its log).
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Makes and starts a server with further settings (name, value), which win over the defaults.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Self> {
        let programs = newest_programs(Path::new(INSTALLED))?;
        let owner = owner()?;
        let home = tempfile::Builder::new().prefix("baton-pg-").tempdir()?.keep();
        if let Some(owner) = owner {
            std::os::unix::fs::chown(&home, Some(owner.uid), Some(owner.gid))?;
        }
        let (reaper, input) = start_reaper(&programs, &home, owner)?;
        let settings = SETTINGS.iter().chain(settings);
        let mut server = Self {
            programs,
            home,
            owner,
            port: 0,
            settings: settings.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            reaper,
            reaper_input: Some(input),
            databases: AtomicU32::new(0),
        };
        server.init()?;
        server.start_on_a_free_port()?;
        Ok(server)
    }

    /// The one server of this test process; started by the first who asks.
    ///
    /// # Errors
    /// As [`Postgres::start`]; the same again for everybody who asks later.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|error| anyhow::anyhow!(error.clone()))
    }

    /// Makes an empty database that nobody else uses, and returns its URL.
    ///
    /// # Errors
    /// The server refused.
    pub fn database(&self) -> Result<String> {
        self.database_like("template0")
    }

    /// Makes a copy of the database behind `url`, to which nobody may be connected now: faster than
    /// migrating each time.
    ///
    /// # Errors
    /// `url` names no database of this server, or somebody is connected to it.
    pub fn copy_of(&self, url: &str) -> Result<String> {
        let template = url.strip_prefix(&self.url_of("")).context("a database of this server")?;
        self.database_like(template)
    }

    /// Runs one SQL command as superuser in the database behind `url`; returns the output of `psql`
    /// without headers.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub fn sql(&self, url: &str, command: &str) -> Result<String> {
        let mut psql = self.command("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", command]);
        run(&mut psql)
    }

    /// Kills the server without a checkpoint, as a crash would, and starts it again on the same port.
    /// (What the operating system has not flushed survives this, unlike a power cut.)
    ///
    /// # Errors
    /// It did not come back.
    pub fn restart_immediate(&self) -> Result<()> {
        run(self.command("pg_ctl").arg("-D").arg(self.data()).args(["stop", "-m", "immediate"]))?;
        self.launch()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data directory; its `postmaster.pid` begins with the process id of the server.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The directory of the unix socket; usable as `host` in a URL.
    pub fn socket_directory(&self) -> &Path {
        &self.home
    }

    fn database_like(&self, template: &str) -> Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let create = format!("create database {name} template {template}");
        self.sql(&self.url_of("postgres"), &create)?;
        Ok(self.url_of(&name))
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn init(&self) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]).arg("-N");
        run(initdb.arg("-D").arg(self.data()))?;
        Ok(())
    }

    fn start_on_a_free_port(&mut self) -> Result<()> {
        for attempt in 1..=START_ATTEMPTS {
            self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            match self.launch() {
                Ok(()) => return Ok(()),
                Err(error) if attempt == START_ATTEMPTS => return Err(error),
                Err(_) => {}
            }
        }
        unreachable!("the last attempt returns")
    }

    fn launch(&self) -> Result<()> {
        let log = self.home.join("log");
        let home = self.home.display();
        let settings = self.settings.iter().map(|(name, value)| format!(" -c {name}={value}"));
        let options = format!("-p {} -k {home}{}", self.port, settings.collect::<String>());
        let mut start = self.command("pg_ctl");
        start.arg("-D").arg(self.data()).arg("-l").arg(&log).args(["-w", "-o", &options, "start"]);
        // The server keeps these open: pipes would never end.
        start.stdout(Stdio::null()).stderr(Stdio::null());
        if !start.status()?.success() {
            bail!("postgres does not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        command(&self.programs.join(program), &self.home, self.owner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.reaper_input.take());
        let _ = self.reaper.wait();
    }
}

/// The programs of the newest version under `installed`.
fn newest_programs(installed: &Path) -> Result<PathBuf> {
    let versions = std::fs::read_dir(installed).into_iter().flatten().flatten();
    versions
        .map(|entry| entry.path().join("bin"))
        .filter(|programs| programs.join("initdb").exists())
        .max_by_key(|programs| major_version(programs))
        .with_context(|| {
            format!("no PostgreSQL under {}: apt-get install postgresql", installed.display())
        })
}

fn major_version(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

/// `postgres`, or else `nobody`, when this process is root; nobody else otherwise.
fn owner() -> Result<Option<Owner>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |name: &str| users.lines().find_map(|line| user_of_line(line, name));
    let owner = user("postgres").or_else(|| user("nobody"));
    owner.map(Some).context("PostgreSQL refuses to run as root, and no postgres or nobody exists")
}

fn user_of_line(line: &str, name: &str) -> Option<Owner> {
    let fields: Vec<&str> = line.split(':').collect();
    let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
    (fields.first() == Some(&name)).then_some(Owner { uid, gid })
}

fn command(program: &Path, home: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).stdin(Stdio::null()).env_remove("PGHOST").env("LC_ALL", "C");
    if let Some(Owner { uid, gid }) = owner {
        command.uid(uid).gid(gid);
    }
    command
}

/// In a process group of its own, so that whatever kills the test does not kill it too.
fn start_reaper(programs: &Path, home: &Path, owner: Option<Owner>) -> Result<(Child, ChildStdin)> {
    let mut reaper = command(Path::new("/bin/sh"), Path::new("/"), owner);
    reaper.args(["-c", REAPER, "reaper"]).arg(programs).arg(home).process_group(0);
    reaper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = reaper.spawn().context("/bin/sh")?;
    let input = child.stdin.take().context("the reaper's input")?;
    Ok((child, input))
}

fn run(command: &mut Command) -> Result<String> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = String::new();
    child.stdout.take().context("piped")?.read_to_string(&mut output)?;
    let mut errors = String::new();
    child.stderr.take().context("piped")?.read_to_string(&mut errors)?;
    ensure!(child.wait()?.success(), "{command:?}: {errors}");
    Ok(output.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most useful message is the one that says what to install.
    #[test]
    fn a_missing_installation_names_the_package() {
        let error = newest_programs(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("apt-get install postgresql"), "{error}");
    }

    /// Each test gets its own database, copies bring the rows along, and a crash keeps them.
    #[test]
    fn databases_are_separate_and_survive_an_immediate_restart() -> Result<()> {
        let server = Postgres::start()?;
        let [first, second] = [server.database()?, server.database()?];
        server.sql(&first, "create table kept (n int); insert into kept values (7)")?;
        assert!(server.sql(&second, "select n from kept").is_err());
        server.restart_immediate()?;
        assert_eq!(server.sql(&first, "select n from kept")?, "7");
        let copy = server.copy_of(&first)?;
        assert_eq!(server.sql(&copy, "select n from kept")?, "7");
        Ok(())
    }

    /// A dropped server is gone with all its files.
    #[test]
    fn nothing_is_left_behind() -> Result<()> {
        let server = Postgres::start()?;
        let (home, port) = (server.home.clone(), server.port());
        drop(server);
        assert!(!home.exists());
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        Ok(())
    }
}
