//! The command line of `beam-mcp-server`.

use std::{ffi::OsString, path::PathBuf};

use lexopt::{Arg, Parser, ValueExt as _};

/// Text of `--help`.
pub const HELP: &str = "\
beam-mcp-server: Apache Beam jobs over MCP and REST

Usage: beam-mcp-server <command> [options]

Commands:
  serve     listen for HTTP (default port 8888 on 127.0.0.1)
  stdio     speak MCP on standard input and output
  doctor    print the effective configuration and probe the targets
  schema    print the JSON Schema of the configuration file
  store check          look for damage, and for rows without those that belong to them; also beside a server;
                       of a table in DynamoDB, follow its audit chains
  store backup FILE    copy the store to a new file; also beside a server
  store restore FILE   put a copy in the place of the store, which is kept beside it; no server may be on it

Options:
  --config FILE       configuration, YAML or JSON   [BEAM_MCP_CONFIG]
  --root DIR          directory beneath which code_path is looked up; may repeat   [BEAM_MCP_ROOTS]
  --store-path DIR    where jobs, uploads and logs are kept   [BEAM_MCP_STORE_PATH]
  --store-cache MIB   memory for records read before; 0 for none (default 8)
  --memory            keep jobs in memory only
  --log LEVEL         off, error, warn or info   [BEAM_MCP_LOG]

Options of serve:
  --host ADDRESS      address to listen on   [BEAM_MCP_HOST]
  --port PORT         port; 0 takes a free one   [BEAM_MCP_PORT]
  --compat            listen on 8080 and 8700 too
  --insecure          listen on other than loopback addresses without any token
  --ready-file FILE   write the port there once requests are answered
  --exit-with-parent  stop when standard input ends

  -h, --help          print this
  -V, --version       print the version
";

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Listen for HTTP.
    Serve,
    /// Speak MCP on standard input and output.
    Stdio,
    /// Print the effective configuration and probe the targets.
    Doctor,
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Look after the store.
    Store(Upkeep),
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// What to do with the store; files are named by [`Options::file`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upkeep {
    /// Look for faults.
    Check,
    /// Copy it to a new file.
    Backup,
    /// Put a copy in its place.
    Restore,
}

/// The command line as read.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What to do.
    pub command: Command,
    /// The file of `store backup` and `store restore`.
    pub file: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--root`, each.
    pub roots: Vec<PathBuf>,
    /// `--store-path`
    pub store_path: Option<PathBuf>,
    /// `--store-cache`, in MiB; at most 4096.
    pub store_cache_mib: Option<usize>,
    /// `--memory`
    pub memory: bool,
    /// `--log`
    pub log: Option<String>,
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<u16>,
    /// `--compat`
    pub compat: bool,
    /// `--insecure`
    pub insecure: bool,
    /// `--ready-file`
    pub ready_file: Option<PathBuf>,
    /// `--exit-with-parent`
    pub exit_with_parent: bool,
}

impl Options {
    fn of(command: Command) -> Self {
        Self {
            command,
            file: None,
            config: None,
            roots: Vec::new(),
            store_path: None,
            store_cache_mib: None,
            memory: false,
            log: None,
            host: None,
            port: None,
            compat: false,
            insecure: false,
            ready_file: None,
            exit_with_parent: false,
        }
    }

    /// Reads arguments, without the program's name.
    ///
    /// # Errors
    /// A sentence that names the argument.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Self::of(Command::Help);
        let mut parser = Parser::from_args(arguments);
        let mut command = None;
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::of(Command::Help)),
                Arg::Short('V') | Arg::Long("version") => return Ok(Self::of(Command::Version)),
                Arg::Value(word) if command.is_none() && word == "store" => {
                    command = Some(Command::Store(options.read_upkeep(&mut parser)?));
                }
                Arg::Value(word) if command.is_none() => command = Some(Command::parse(&word)?),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    options.read(&name, &mut parser).map_err(|error| error.to_string())?;
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        options.command = command.ok_or("name a command: serve, stdio, doctor, schema or store")?;
        Ok(options)
    }

    /// Reads what follows the word `store`.
    fn read_upkeep(&mut self, parser: &mut Parser) -> Result<Upkeep, String> {
        let mut words = Vec::new();
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            match argument {
                Arg::Value(word) => words.push(word),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    self.read(&name, parser).map_err(|error| error.to_string())?;
                }
                other @ Arg::Short(_) => return Err(other.unexpected().to_string()),
            }
        }
        let mut words = words.into_iter();
        let upkeep = match words.next().as_ref().and_then(|word| word.to_str()) {
            Some("check") => Upkeep::Check,
            Some("backup") => Upkeep::Backup,
            Some("restore") => Upkeep::Restore,
            _ => return Err("store: expected check, backup FILE or restore FILE".into()),
        };
        self.file = words.next().map(PathBuf::from);
        match (upkeep, &self.file, words.next()) {
            (_, _, Some(more)) => Err(format!("store: unexpected argument {}", more.display())),
            (Upkeep::Check, Some(file), _) => Err(format!("store check: unexpected argument {}", file.display())),
            (Upkeep::Backup | Upkeep::Restore, None, _) => Err("store: name the FILE of the copy".into()),
            _ => Ok(upkeep),
        }
    }

    fn read(&mut self, name: &str, parser: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "config" => self.config = Some(parser.value()?.into()),
            "root" => self.roots.push(parser.value()?.into()),
            "store-path" => self.store_path = Some(parser.value()?.into()),
            "store-cache" => self.store_cache_mib = Some(parser.value()?.parse::<u16>()?.min(4096).into()),
            "memory" => self.memory = true,
            "log" => self.log = Some(parser.value()?.string()?),
            "host" => self.host = Some(parser.value()?.string()?),
            "port" => self.port = Some(parser.value()?.parse()?),
            "compat" => self.compat = true,
            "insecure" => self.insecure = true,
            "ready-file" => self.ready_file = Some(parser.value()?.into()),
            "exit-with-parent" => self.exit_with_parent = true,
            _ => return Err(Arg::Long(name).unexpected()),
        }
        Ok(())
    }
}

impl Command {
    fn parse(word: &OsString) -> Result<Self, String> {
        match word.to_str() {
            Some("serve") => Ok(Self::Serve),
            Some("stdio") => Ok(Self::Stdio),
            Some("doctor") => Ok(Self::Doctor),
            Some("schema") => Ok(Self::Schema),
            Some("help") => Ok(Self::Help),
            _ => Err(format!("unknown command {}: expected serve, stdio, doctor, schema or store", word.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        let read = parse("--port=0 serve --root a --root b --insecure").unwrap();
        assert_eq!((read.command, read.port, read.roots.len(), read.insecure), (Command::Serve, Some(0), 2, true));
        let read = parse("store --store-path d backup f --log off").unwrap();
        assert_eq!(read.command, Command::Store(Upkeep::Backup));
        assert_eq!((read.store_path, read.file), (Some("d".into()), Some("f".into())));
        assert_eq!(parse("stdio --help").unwrap().command, Command::Help);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, part) in [
            ("", "name a command"),
            ("sevre", "sevre"),
            ("serve --prot 1", "--prot"),
            ("serve --port x", "\"x\""),
            ("serve --config", "--config"),
            ("serve again", "again"),
            ("store", "check, backup FILE"),
            ("store vacuum", "check, backup FILE"),
            ("store check x", "unexpected argument x"),
            ("store backup", "name the FILE"),
            ("store restore a b", "unexpected argument b"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn every_option_is_in_the_help() {
        for name in
            ["config", "root", "store-path", "store-cache", "memory", "log", "host", "port", "compat", "insecure"]
        {
            assert!(HELP.contains(&format!("--{name} ")), "{name}");
        }
    }
}
