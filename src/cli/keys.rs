//! `frameway keys`: the API keys in an access file.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use crate::access::{AccessFile, ListedKey};
use crate::console::Failure;

/// Create, list and revoke API keys in an access file.
///
/// Works on the file only; a server reads it again within 10 seconds. The file holds digests of the
/// keys, not the keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway keys create --access-file access.toml --principal north-agent --grant 'publish:north.*'
  frameway keys create --access-file access.toml --principal wall --grant 'read:*' --expires 90d
  frameway keys list --access-file access.toml
  frameway keys revoke --access-file access.toml 3f2a91c07d5e")]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

/// The file that the keys are in.
#[derive(Debug, Args)]
struct FileArgs {
    /// The access file. `create` makes it if it does not exist.
    #[arg(long, env = "FRAMEWAY_ACCESS_FILE", value_name = "FILE")]
    access_file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a key and print it. It cannot be shown again.
    Create(CreateArgs),
    /// List the keys, without their secrets.
    List {
        #[command(flatten)]
        file: FileArgs,
        /// Print one JSON object for each key.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key. Calls that use it end within 15 seconds.
    Revoke {
        #[command(flatten)]
        file: FileArgs,
        /// The id of the key: the part of the key between `fwk_` and the next `_`.
        #[arg(value_name = "KEY_ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The name of the principal that the key belongs to. It is created if it does not exist.
    /// Publisher positions and memberships belong to the principal, not to the key.
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// A role of the principal, from the table `roles` of the file. May be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A grant of the principal: publish:GLOB, read:GLOB, originals:GLOB, manage:GLOB, consume:GLOB,
    /// operate or admin. May be repeated.
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// Time after which the key is not valid any more. Unset: it does not expire.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
}

pub(super) fn run(args: KeysArgs) -> Result<(), Failure> {
    match args.command {
        Command::Create(args) => create(args),
        Command::List { file, json } => list(&file, json),
        Command::Revoke { file, id } => revoke(&file, &id),
    }
}

fn create(args: CreateArgs) -> Result<(), Failure> {
    let CreateArgs { file: FileArgs { access_file }, principal, roles, grants, expires } = args;
    let expires = expires.map(|after| SystemTime::now().checked_add(after));
    let expires = match expires {
        Some(None) => return Err(Failure::Usage(anyhow!("--expires is too long"))),
        Some(at) => at,
        None => None,
    };
    let mut file = AccessFile::open(&access_file).map_err(|error| Failure::Failed(error.into()))?;
    let key =
        file.create_key(&principal, &roles, &grants, expires).map_err(|why| Failure::Usage(anyhow!(why)))?;
    file.save(&access_file).map_err(|error| Failure::Usage(error.into()))?;
    println!("{}", key.reveal());
    eprintln!(
        "Key {} of principal {principal} is in {}. Keep the key: it cannot be shown again.",
        key.id(),
        access_file.display()
    );
    Ok(())
}

fn list(file: &FileArgs, json: bool) -> Result<(), Failure> {
    let open = AccessFile::open(&file.access_file).map_err(|error| Failure::Failed(error.into()))?;
    let keys = open.keys();
    if json {
        for ListedKey { id, principal, create_time, expire_time } in keys {
            let key = serde_json::json!({
                "id": id, "principal": principal, "createTime": create_time, "expireTime": expire_time,
            });
            println!("{key}");
        }
        return Ok(());
    }
    println!("{:<14} {:<24} {:<20} expires", "key", "principal", "created");
    for ListedKey { id, principal, create_time, expire_time } in keys {
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        println!("{id:<14} {principal:<24} {:<20} {}", or_dash(create_time), or_dash(expire_time));
    }
    Ok(())
}

fn revoke(file: &FileArgs, id: &str) -> Result<(), Failure> {
    let mut open = AccessFile::open(&file.access_file).map_err(|error| Failure::Failed(error.into()))?;
    if !open.revoke_key(id) {
        let message =
            format!("{} has no key {id:?}; list them: frameway keys list", file.access_file.display());
        return Err(Failure::Failed(anyhow!(message)));
    }
    open.save(&file.access_file).map_err(|error| Failure::Failed(error.into()))?;
    eprintln!("Key {id} is revoked. Servers end its calls within 15 seconds.");
    Ok(())
}
