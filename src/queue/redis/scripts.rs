//! The scripts, each atomic in one slot. Their text says what they do; `docs/adr/0001` and `0002` say why they look so.

use redis::{Cmd, Pipeline, RedisResult, Value};

use super::conn::{Link, refused, wants_script};
use crate::queue::{Error, Result};

/// A script by its text and digest.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

/// A call of a script, being put together.
#[derive(Debug, Default)]
pub(super) struct Call {
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key);
        self
    }

    pub(super) fn arg(&mut self, arg: impl Into<Vec<u8>>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.arg(number.to_string())
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.arg(if flag { "1" } else { "0" })
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for arg in &self.args {
            command.arg(arg.as_slice());
        }
        command
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs the script behind the commands that `pipe` already holds; answers the script's value, and why the first of
    /// the commands failed that did.
    pub(super) async fn run_behind(
        &self,
        link: &Link,
        mut pipe: Pipeline,
        call: &Call,
    ) -> Result<(Value, Option<String>)> {
        pipe.add_command(call.command("EVALSHA", &self.digest));
        let mut answers = link.run(&mut pipe).await?;
        let answer = answers.pop();
        let failed = answers.into_iter().find_map(|answer| answer.err().map(|error| error.to_string()));
        Ok((self.or_with_text(link, call, answer).await?, failed))
    }

    /// Runs the script.
    pub(super) async fn run(&self, link: &Link, call: &Call) -> Result<Value> {
        self.run_behind(link, redis::pipe(), call).await.map(|(value, _)| value)
    }

    /// A server that lost its scripts (a restart, SCRIPT FLUSH) gets the text.
    async fn or_with_text(
        &self,
        link: &Link,
        call: &Call,
        answer: Option<RedisResult<Value>>,
    ) -> Result<Value> {
        match answer {
            Some(Err(error)) if wants_script(&error) => link.command(&call.command("EVAL", self.text)).await,
            Some(answer) => answer.map_err(refused),
            None => Err(Error::Corrupt("an empty answer to a script".to_owned())),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) accept: Script,
    pub(super) finish: Script,
    pub(super) take: Script,
    pub(super) trim: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) inherit: Script,
    pub(super) begin_alone: Script,
    pub(super) release: Script,
    pub(super) announce: Script,
    pub(super) discard: Script,
    pub(super) register: Script,
    pub(super) unregister: Script,
    pub(super) group_write: Script,
    pub(super) group_delete: Script,
    pub(super) group_seat: Script,
    pub(super) group_claim: Script,
    pub(super) group_answer: Script,
    pub(super) group_settle: Script,
    pub(super) group_bury: Script,
    pub(super) output_count: Script,
    pub(super) output_at: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            accept: Script::new(include_str!("lua/accept.lua")),
            finish: Script::new(include_str!("lua/finish.lua")),
            take: Script::new(include_str!("lua/take.lua")),
            trim: Script::new(include_str!("lua/trim.lua")),
            acquire: Script::new(include_str!("lua/acquire.lua")),
            renew: Script::new(include_str!("lua/renew.lua")),
            inherit: Script::new(include_str!("lua/inherit.lua")),
            begin_alone: Script::new(include_str!("lua/begin_alone.lua")),
            release: Script::new(include_str!("lua/release.lua")),
            announce: Script::new(include_str!("lua/announce.lua")),
            discard: Script::new(include_str!("lua/discard.lua")),
            register: Script::new(include_str!("lua/register.lua")),
            unregister: Script::new(include_str!("lua/unregister.lua")),
            group_write: Script::new(include_str!("lua/group_write.lua")),
            group_delete: Script::new(include_str!("lua/group_delete.lua")),
            group_seat: Script::new(include_str!("lua/group_seat.lua")),
            group_claim: Script::new(include_str!("lua/group_claim.lua")),
            group_answer: Script::new(include_str!("lua/group_answer.lua")),
            group_settle: Script::new(include_str!("lua/group_settle.lua")),
            group_bury: Script::new(include_str!("lua/group_bury.lua")),
            output_count: Script::new(include_str!("lua/output_count.lua")),
            output_at: Script::new(include_str!("lua/output_at.lua")),
        }
    }
}
