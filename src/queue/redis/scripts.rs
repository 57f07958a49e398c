//! The scripts, each atomic in one slot. Their text says what they do; `docs/adr/0001` and `0002` say why they look so.

use redis::{Cmd, RedisResult, Value};

use super::conn::{Connected, Link, refused, wants_script};
use super::wire::Request;
use crate::queue::Result;

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

    /// Runs the script behind the commands that `request` already holds; answers the script's value, and why the first of
    /// the commands failed that did.
    pub(super) async fn run_behind(
        &self,
        link: &Link,
        request: Request,
        call: &Call,
    ) -> Result<(Value, Option<String>)> {
        let mut answers = self.run_on(&link.connected().await?, request, call, None).await?;
        let value = answers.pop().transpose().map_err(refused)?;
        let failed = answers.into_iter().find_map(|answer| answer.err().map(|error| error.to_string()));
        Ok((value.unwrap_or(Value::Nil), failed))
    }

    /// Runs the script behind the commands of `request`, and `last` behind it; answers one result a command. A server that
    /// lost its scripts (a restart, SCRIPT FLUSH) gets the text.
    pub(super) async fn run_on(
        &self,
        connected: &Connected<'_>,
        mut request: Request,
        call: &Call,
        last: Option<&Cmd>,
    ) -> Result<Vec<RedisResult<Value>>> {
        let at = request.len();
        request.add(&call.command("EVALSHA", &self.digest));
        last.into_iter().for_each(|command| request.add(command));
        let mut answers = connected.ask(request).await?;
        if answers.get(at).is_some_and(|answer| answer.as_ref().is_err_and(wants_script)) {
            let mut again = Request::default();
            again.add(&call.command("EVAL", self.text));
            last.into_iter().for_each(|command| again.add(command));
            answers.truncate(at);
            answers.extend(connected.ask(again).await?);
        }
        Ok(answers)
    }

    /// Runs the script.
    pub(super) async fn run(&self, link: &Link, call: &Call) -> Result<Value> {
        self.run_behind(link, Request::default(), call).await.map(|(value, _)| value)
    }
}

/// The text of a script of consumer groups, behind what they share.
macro_rules! of_groups {
    ($name:literal) => {
        concat!(include_str!("lua/group_common.lua"), include_str!(concat!("lua/", $name, ".lua")))
    };
}

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) accept: Script,
    pub(super) finish: Script,
    pub(super) first_at: Script,
    pub(super) latest_frame: Script,
    pub(super) given: Script,
    pub(super) take: Script,
    pub(super) trim: Script,
    pub(super) page: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) inherit: Script,
    pub(super) begin_alone: Script,
    pub(super) release: Script,
    pub(super) announce: Script,
    pub(super) attend: Script,
    pub(super) forgot: Script,
    pub(super) discard: Script,
    pub(super) register: Script,
    pub(super) unregister: Script,
    pub(super) forget: Script,
    pub(super) remove_old: Script,
    pub(super) looked: Script,
    pub(super) state: Script,
    pub(super) mark: Script,
    pub(super) sweep: Script,
    pub(super) group_state: Script,
    pub(super) group_write: Script,
    pub(super) group_delete: Script,
    pub(super) group_seat: Script,
    pub(super) group_claim: Script,
    pub(super) group_answer: Script,
    pub(super) group_settle: Script,
    pub(super) group_bury: Script,
    pub(super) group_replay: Script,
    pub(super) dead_mark: Script,
    pub(super) output_count: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            accept: Script::new(include_str!("lua/accept.lua")),
            finish: Script::new(include_str!("lua/finish.lua")),
            first_at: Script::new(include_str!("lua/first_at.lua")),
            latest_frame: Script::new(include_str!("lua/latest_frame.lua")),
            given: Script::new(include_str!("lua/given.lua")),
            take: Script::new(include_str!("lua/take.lua")),
            trim: Script::new(include_str!("lua/trim.lua")),
            page: Script::new(include_str!("lua/page.lua")),
            acquire: Script::new(include_str!("lua/acquire.lua")),
            renew: Script::new(include_str!("lua/renew.lua")),
            inherit: Script::new(include_str!("lua/inherit.lua")),
            begin_alone: Script::new(include_str!("lua/begin_alone.lua")),
            release: Script::new(include_str!("lua/release.lua")),
            announce: Script::new(include_str!("lua/announce.lua")),
            attend: Script::new(include_str!("lua/attend.lua")),
            forgot: Script::new(include_str!("lua/forgot.lua")),
            discard: Script::new(include_str!("lua/discard.lua")),
            register: Script::new(include_str!("lua/register.lua")),
            unregister: Script::new(include_str!("lua/unregister.lua")),
            forget: Script::new(include_str!("lua/forget.lua")),
            remove_old: Script::new(include_str!("lua/remove_old.lua")),
            looked: Script::new(include_str!("lua/looked.lua")),
            state: Script::new(include_str!("lua/state.lua")),
            mark: Script::new(include_str!("lua/mark.lua")),
            sweep: Script::new(include_str!("lua/sweep.lua")),
            group_state: Script::new(of_groups!("group_state")),
            group_write: Script::new(of_groups!("group_write")),
            group_delete: Script::new(of_groups!("group_delete")),
            group_seat: Script::new(of_groups!("group_seat")),
            group_claim: Script::new(of_groups!("group_claim")),
            group_answer: Script::new(of_groups!("group_answer")),
            group_settle: Script::new(of_groups!("group_settle")),
            group_bury: Script::new(include_str!("lua/group_bury.lua")),
            group_replay: Script::new(of_groups!("group_replay")),
            dead_mark: Script::new(include_str!("lua/dead_mark.lua")),
            output_count: Script::new(include_str!("lua/output_count.lua")),
        }
    }
}
