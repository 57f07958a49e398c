//! Which server process a connection leads to, and what of its data would survive its end.

use redis::{ErrorKind, RedisError};

use super::reply::{self, Info};
use super::wire::Wire;

/// One life of a server process. Another one may have lost the newest writes of the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// Redis's own random name for this life.
    run_id: String,
    /// What it acknowledges is on disk first: a restart loses nothing.
    keeps_all: bool,
    /// It was a replica once: what its primary had not sent it is gone, whatever was on the primary's disk.
    promoted: bool,
}

impl Instance {
    /// Asks a server what it is.
    pub(super) async fn ask(wire: &Wire) -> Result<Self, RedisError> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("everything").cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = wire.ask((&pipe).into()).await?.into_iter();
        let info = match answers.next() {
            Some(info) => reply::text(info?).ok().flatten().unwrap_or_default(),
            None => String::new(),
        };
        let fsync = match answers.next() {
            Some(Ok(value)) => reply::Fields::read(value)
                .and_then(|fields| fields.text("appendfsync").map(str::to_owned))
                .unwrap_or_default(),
            // Not allowed to ask: take the weaker level for granted.
            Some(Err(_)) | None => String::new(),
        };
        let info = Info::parse(&info);
        if info.get("loading") == "1" {
            // It says of itself that it writes no AOF until it has read the old one.
            return Err(RedisError::from((ErrorKind::Client, "Redis is loading its data")));
        }
        Ok(Self::read(&info, &fsync))
    }

    pub(super) fn read(info: &Info<'_>, fsync: &str) -> Self {
        let replica_of = info.get("master_replid2");
        Self {
            run_id: info.get("run_id").to_owned(),
            keeps_all: info.get("aof_enabled") == "1" && fsync == "always",
            promoted: replica_of.contains(|c: char| c != '0'),
        }
    }

    /// Redis's own name for this life.
    pub(super) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// As `lua/accept.lua` takes it: run id, whether it keeps all, whether it was promoted.
    pub(super) fn argument(&self) -> String {
        format!("{}:{}:{}", self.run_id, u8::from(self.keeps_all), u8::from(self.promoted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_a_promotion_and_the_level_are_told_apart() {
        let info = |replid2: &str, aof: u8| {
            format!("run_id:abc\r\naof_enabled:{aof}\r\nmaster_replid2:{replid2}\r\n")
        };
        let read = |text: &str, fsync| Instance::read(&Info::parse(text), fsync).argument();
        assert_eq!(read(&info("0000", 1), "always"), "abc:1:0");
        assert_eq!(read(&info("0000", 1), "everysec"), "abc:0:0");
        assert_eq!(read(&info("0000", 0), "always"), "abc:0:0");
        assert_eq!(read(&info("00f0", 1), "always"), "abc:1:1");
    }
}
