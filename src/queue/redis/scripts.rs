//! The scripts, each atomic in one slot. Their heads say what they do; `docs/adr/0001` and `0002`
//! have the reasons.

use redis::{Cmd, RedisResult, Value};

use super::conn::{Connected, refused, wants_script};
use super::lane::Lane;
use super::resp::Request;
use crate::metrics::{RedisMetrics, RedisOperation};
use crate::queue::Result;

/// A script by its text and digest.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: String,
    /// The script that also wakes those who wait.
    waking: (String, String),
    operation: RedisOperation,
}

/// The keys and arguments of a call.
#[derive(Debug, Default)]
pub(super) struct Call {
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
    /// The key whose channel tells of the call.
    wakes: Option<String>,
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

    /// Sets the key that the script writes to and others wait for: in a cluster, they wait for a
    /// message on the channel of that name.
    pub(super) fn wakes(&mut self, key: String) -> &mut Self {
        self.wakes = Some(key);
        self
    }

    /// Returns the first key, which says where the script runs.
    pub(super) fn place(&self) -> &str {
        self.keys.first().map(String::as_str).unwrap_or_default()
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len() + usize::from(self.wakes.is_some()));
        for key in self.keys.iter().chain(&self.wakes) {
            command.arg(key);
        }
        for arg in &self.args {
            command.arg(arg.as_slice());
        }
        command
    }
}

impl Script {
    fn new(text: &'static str, operation: RedisOperation) -> Self {
        let digest_of = |text: &str| redis::Script::new(text).get_hash().to_owned();
        let waking = format!("{BEFORE_WAKING}{text}{AFTER_WAKING}");
        Self { text, digest: digest_of(text), waking: (digest_of(&waking), waking), operation }
    }

    /// Runs the script after the commands that `request` already contains; returns the script's
    /// value, and the error of the first command that failed.
    pub(super) async fn run_after(
        &self,
        lane: &Lane,
        request: Request,
        call: &Call,
    ) -> Result<(Value, Option<String>)> {
        let mut route = lane.route(call.place());
        let mut answers = loop {
            let answered = self.run_on(&route.connected().await?, request.clone(), call, None).await;
            lane.note(&answered);
            let answers = answered?;
            // The commands before the script may have run: they write pictures under new names, and
            // writing them again changes nothing.
            match answers.last() {
                Some(last) if route.goes_on(last).await? => {}
                Some(_) | None => break answers,
            }
        };
        let value = answers.pop().transpose().map_err(refused)?;
        let failed = answers.into_iter().find_map(|answer| answer.err().map(|error| error.to_string()));
        Ok((value.unwrap_or(Value::Nil), failed))
    }

    /// Runs the script after the commands of `request`, and then `last`; returns one result per
    /// command. A server that lost its scripts (a restart, SCRIPT FLUSH) gets the text.
    pub(super) async fn run_on(
        &self,
        connected: &Connected,
        mut request: Request,
        call: &Call,
        last: Option<&Cmd>,
    ) -> Result<Vec<RedisResult<Value>>> {
        let at = request.len();
        let (digest, text) = match call.wakes {
            Some(_) => (self.waking.0.as_str(), self.waking.1.as_str()),
            None => (self.digest.as_str(), self.text),
        };
        request.add(&call.command("EVALSHA", digest));
        last.into_iter().for_each(|command| request.add(command));
        let mut answers = connected.ask_as(request, &self.operation).await?;
        if answers.get(at).is_some_and(|answer| answer.as_ref().is_err_and(wants_script)) {
            let mut again = Request::default();
            again.add(&call.command("EVAL", text));
            last.into_iter().for_each(|command| again.add(command));
            answers.truncate(at);
            answers.extend(connected.ask_as(again, &self.operation).await?);
        }
        Ok(answers)
    }

    /// Runs the script.
    pub(super) async fn run(&self, lane: &Lane, call: &Call) -> Result<Value> {
        self.run_after(lane, Request::default(), call).await.map(|(value, _)| value)
    }
}

/// The text around a script that wakes those who wait for a key: the key is the last one, and the
/// script does not see it. A script that returns nothing did nothing. If the user may not publish, the
/// script has succeeded all the same.
const BEFORE_WAKING: &str = "local channel = table.remove(KEYS)\nlocal answer = (function()\n";
const AFTER_WAKING: &str =
    "\nend)()\nif answer then redis.pcall('SPUBLISH', channel, '') end\nreturn answer\n";

/// The text of a script of consumer groups, after their shared code.
macro_rules! of_groups {
    ($name:literal) => {
        concat!(include_str!("lua/group_common.lua"), include_str!(concat!("lua/", $name, ".lua")))
    };
}

/// The text of a script that asks whether a frame is erased.
macro_rules! knows_erased {
    ($name:literal) => {
        concat!(include_str!("lua/erased.lua"), include_str!(concat!("lua/", $name, ".lua")))
    };
}

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) accept: Script,
    pub(super) finish: Script,
    pub(super) first_at: Script,
    pub(super) latest_frame: Script,
    pub(super) note_issued: Script,
    pub(super) take: Script,
    pub(super) trim: Script,
    pub(super) page: Script,
    pub(super) acquire: Script,
    pub(super) renew: Script,
    pub(super) take_over: Script,
    pub(super) begin_isolated: Script,
    pub(super) release: Script,
    pub(super) announce: Script,
    pub(super) heartbeat: Script,
    pub(super) raise_epoch: Script,
    pub(super) discard: Script,
    pub(super) erasers: Script,
    pub(super) erase: Script,
    pub(super) erase_step: Script,
    pub(super) erase_letters: Script,
    pub(super) register: Script,
    pub(super) unregister: Script,
    pub(super) forget: Script,
    pub(super) remove_old: Script,
    pub(super) cleanup_looked: Script,
    pub(super) state: Script,
    pub(super) mark: Script,
    pub(super) scan_purged: Script,
    pub(super) group_state: Script,
    pub(super) group_write: Script,
    pub(super) group_delete: Script,
    pub(super) group_member: Script,
    pub(super) group_claim: Script,
    pub(super) group_answer: Script,
    pub(super) group_remove: Script,
    pub(super) group_dead_letter: Script,
    pub(super) group_replay: Script,
    pub(super) dead_mark: Script,
    pub(super) output_count: Script,
}

impl Scripts {
    pub(super) fn new(metrics: &RedisMetrics) -> Self {
        let script = |name, text| Script::new(text, metrics.operation(name));
        Self {
            accept: script("accept", knows_erased!("accept")),
            finish: script("finish", knows_erased!("finish")),
            first_at: script("first_at", include_str!("lua/first_at.lua")),
            latest_frame: script("latest_frame", include_str!("lua/latest_frame.lua")),
            note_issued: script("note_issued", include_str!("lua/note_issued.lua")),
            take: script("take", include_str!("lua/take.lua")),
            trim: script("trim", include_str!("lua/trim.lua")),
            page: script("page", include_str!("lua/page.lua")),
            acquire: script("acquire", include_str!("lua/acquire.lua")),
            renew: script("renew", include_str!("lua/renew.lua")),
            take_over: script("take_over", include_str!("lua/take_over.lua")),
            begin_isolated: script("begin_isolated", include_str!("lua/begin_isolated.lua")),
            release: script("release", include_str!("lua/release.lua")),
            announce: script("announce", include_str!("lua/announce.lua")),
            heartbeat: script("heartbeat", include_str!("lua/heartbeat.lua")),
            raise_epoch: script("raise_epoch", include_str!("lua/raise_epoch.lua")),
            discard: script("discard", include_str!("lua/discard.lua")),
            erasers: script("erasers", include_str!("lua/erasers.lua")),
            erase: script("erase", include_str!("lua/erase.lua")),
            erase_step: script("erase_step", include_str!("lua/erase_step.lua")),
            erase_letters: script("erase_letters", include_str!("lua/erase_letters.lua")),
            register: script("register", include_str!("lua/register.lua")),
            unregister: script("unregister", include_str!("lua/unregister.lua")),
            forget: script("forget", include_str!("lua/forget.lua")),
            remove_old: script("remove_old", include_str!("lua/remove_old.lua")),
            cleanup_looked: script("cleanup_looked", include_str!("lua/cleanup_looked.lua")),
            state: script("state", include_str!("lua/state.lua")),
            mark: script("mark", include_str!("lua/mark.lua")),
            scan_purged: script("scan_purged", include_str!("lua/scan_purged.lua")),
            group_state: script("group_state", of_groups!("group_state")),
            group_write: script("group_write", of_groups!("group_write")),
            group_delete: script("group_delete", of_groups!("group_delete")),
            group_member: script("group_member", of_groups!("group_member")),
            group_claim: script("group_claim", of_groups!("group_claim")),
            group_answer: script("group_answer", of_groups!("group_answer")),
            group_remove: script("group_remove", of_groups!("group_remove")),
            group_dead_letter: script("group_dead_letter", knows_erased!("group_dead_letter")),
            group_replay: script("group_replay", of_groups!("group_replay")),
            dead_mark: script("dead_mark", include_str!("lua/dead_mark.lua")),
            output_count: script("output_count", include_str!("lua/output_count.lua")),
        }
    }
}
