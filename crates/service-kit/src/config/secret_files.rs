//! Secrets that lie in files: for each setting `X` that is secret, `X_FILE` names a file that holds it.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches, value_parser};
use secrecy::SecretString;
use std::any::TypeId;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// The settings of this process, from its flags, its variables and the files that these name. Where they cannot be used, a
/// sentence says why, and the process ends.
pub fn parse<Config: CommandFactory + FromArgMatches>() -> Config {
    read(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
}

/// The command with a flag and a variable for the file of each secret.
pub fn with_files(mut command: Command) -> Command {
    let files: Vec<Arg> = command.get_arguments().filter(|argument| is_secret(argument)).filter_map(file_of).collect();
    for file in files {
        command = command.arg(file);
    }
    command
}

fn read<Config: CommandFactory + FromArgMatches>(arguments: Vec<OsString>) -> Result<Config, Error> {
    let command = with_files(Config::command());
    let matches = command.clone().try_get_matches_from(&arguments)?;
    let secrets = command.get_arguments().filter(|argument| is_secret(argument));
    let found = secrets.filter_map(|secret| found(secret, &matches).transpose()).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Config::from_arg_matches(&matches);
    }
    // Before everything else: what follows a subcommand is the subcommand's.
    let mut arguments = arguments.into_iter();
    let all = arguments.next().into_iter().chain(found).chain(arguments);
    Config::from_arg_matches(&command.try_get_matches_from(all)?)
}

fn is_secret(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<SecretString>()
}

/// The names of flag and variable for the file of a secret.
fn names(secret: &Arg) -> Option<(String, String)> {
    Some((format!("{}-file", secret.get_long()?), format!("{}_FILE", secret.get_env()?.to_str()?)))
}

fn file_of(secret: &Arg) -> Option<Arg> {
    let (flag, variable) = names(secret)?;
    let help = format!("File that holds it, in place of {}", secret.get_env()?.to_str()?);
    // clap keeps names for as long as the process runs.
    let (flag, variable): (&'static str, &'static str) = (flag.leak(), variable.leak());
    let file =
        Arg::new(flag).long(flag).env(variable).help(help).value_name("FILE").value_parser(value_parser!(OsString));
    Some(match secret.get_help_heading() {
        Some(heading) => file.help_heading(heading.to_owned().leak() as &'static str),
        None => file,
    })
}

/// The flag of a secret with what its file holds, where one is named.
fn found(secret: &Arg, matches: &ArgMatches) -> Result<Option<OsString>, Error> {
    let Some((flag, variable)) = names(secret) else { return Ok(None) };
    let named = matches.get_one::<OsString>(&flag).filter(|path| !path.is_empty()).map(Path::new);
    let (Some(path), Some(long), Some(own)) = (named, secret.get_long(), secret.get_env()) else { return Ok(None) };
    if matches!(
        matches.value_source(secret.get_id().as_str()),
        Some(ValueSource::EnvVariable | ValueSource::CommandLine)
    ) {
        let reason = format!("{variable}: {} is set as well; set one of them\n", own.to_string_lossy());
        return Err(Error::raw(ErrorKind::ArgumentConflict, reason));
    }
    let refused = |reason| Error::raw(ErrorKind::InvalidValue, format!("{variable}: {} {reason}\n", path.display()));
    let text = content(path).map_err(refused)?;
    Ok(Some(OsString::from(format!("--{long}={text}"))))
}

/// What a file holds, without the line break at its end. The reason names nothing of it.
fn content(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::{content, read};
    use crate::config::secret;
    use clap::{Parser, Subcommand};
    use secrecy::{ExposeSecret, SecretString};
    use std::fs;
    use std::path::{Path, PathBuf};

    #[derive(Parser, Debug)]
    struct Flags {
        /// Opens the vault
        #[arg(long, env = "ACCOUNT_MASTER_KEY", hide_env_values = true, value_parser = secret, help_heading = "Vault")]
        vault_key: Option<SecretString>,
        #[arg(long, env = "INVENTORY_SERVICE_URL", hide_env_values = true, default_value = "x")]
        vault_url: String,
        #[command(subcommand)]
        command: Option<Open>,
    }

    #[derive(Subcommand, Debug)]
    enum Open {
        Open {
            #[arg(long)]
            door: u8,
        },
    }

    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("secret-files-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        path
    }

    fn flags(more: &[&str]) -> Result<Flags, clap::Error> {
        read(["x"].iter().chain(more).map(Into::into).collect())
    }

    fn named(path: &Path) -> String {
        format!("--vault-key-file={}", path.display())
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_last_line_break() {
        for (content, secret) in
            [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), ("-h u\nsh\n\n", "-h u\nsh\n")]
        {
            let path = file("good", content.as_bytes());
            let flags = flags(&[&named(&path), "open", "--door", "7"]).unwrap();
            assert_eq!(flags.vault_key.as_ref().map(ExposeSecret::expose_secret), Some(secret));
            assert!(matches!(flags.command, Some(Open::Open { door: 7 })));
            assert!(!format!("{flags:?}").contains("hush") && flags.vault_url == "x");
            fs::remove_file(path).unwrap();
        }
        assert!(flags(&[]).unwrap().vault_key.is_none() && flags(&["--vault-key-file="]).unwrap().vault_key.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_said_and_not_shown() {
        let (good, binary, empty) = (file("both", b"hush"), file("binary", b"hush\xff"), file("empty", b"\n"));
        let missing = PathBuf::from("/nowhere/vault-key");
        for (path, more, said) in [
            (&good, &["--vault-key=hush"][..], "ACCOUNT_MASTER_KEY is set as well; set one of them"),
            (&binary, &[], "cannot be read"),
            (&empty, &[], "is empty"),
            (&missing, &[], "/nowhere/vault-key cannot be read"),
        ] {
            let error = flags(&[&[named(path).as_str()], more].concat()).unwrap_err().to_string();
            assert!(error.starts_with("error: ACCOUNT_MASTER_KEY_FILE: ") && error.contains(said), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        for path in [good, binary, empty] {
            fs::remove_file(path).unwrap();
        }
        assert!(content(&missing).is_err());
    }

    #[test]
    fn help_lists_the_files_of_secrets_and_of_nothing_else() {
        let help = flags(&["--help"]).unwrap_err().to_string();
        assert!(help.contains("--vault-key-file") && help.contains("[env: ACCOUNT_MASTER_KEY_FILE="), "{help}");
        assert!(!help.contains("INVENTORY_SERVICE_URL_FILE"), "{help}");
    }
}
