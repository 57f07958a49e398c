//! Describes the server process of a connection: its id, and whether its newest writes would
//! survive its end.

use redis::{ErrorKind, RedisError};

use super::reply::{self, Info};
use super::resp::RespConnection;

/// A server process. Its successor may have lost its newest writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// Redis's own random id of this process.
    run_id: String,
    /// True if every write is on disk before it is acknowledged: then a restart loses nothing.
    keeps_all: bool,
    /// True if it was a replica once: writes that its primary had not sent are lost, even if they
    /// were on the primary's disk.
    promoted: bool,
    /// The id of the data of a primary. Another one begins when a server becomes a primary.
    replication_id: String,
    is_replica: bool,
    /// True if it is a server of a cluster.
    in_cluster: bool,
}

impl Instance {
    /// Asks a server what it is.
    pub(super) async fn ask(connection: &RespConnection) -> Result<Self, RedisError> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("everything").cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = connection.ask((&pipe).into()).await?.into_iter();
        let info = match answers.next() {
            Some(info) => reply::text(info?).ok().flatten().unwrap_or_default(),
            None => String::new(),
        };
        let fsync = match answers.next() {
            Some(Ok(value)) => reply::Fields::read(value)
                .and_then(|fields| fields.text("appendfsync").map(str::to_owned))
                .unwrap_or_default(),
            // Asking is not permitted: assume the weaker level.
            Some(Err(_)) | None => String::new(),
        };
        let info = Info::parse(&info);
        if info.get("loading") == "1" {
            // While it loads, it reports that it writes no append-only file.
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
            replication_id: info.get("master_replid").to_owned(),
            is_replica: info.get("role") == "slave",
            in_cluster: info.get("cluster_enabled") == "1",
        }
    }

    /// Reports whether this is a primary, the same process as `earlier`, and was a primary all the
    /// time since then: a server that becomes a primary again has another replication id.
    pub(super) fn has_stayed_primary(&self, earlier: &Self) -> bool {
        !self.is_replica && self.run_id == earlier.run_id && self.replication_id == earlier.replication_id
    }

    /// Reports whether it is a server of a cluster.
    pub(super) fn is_in_cluster(&self) -> bool {
        self.in_cluster
    }

    /// Reports whether the process was never a replica.
    pub(super) fn was_always_primary(&self) -> bool {
        !self.is_replica && !self.promoted
    }

    /// Returns Redis's own id of this process.
    pub(super) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns this description as `lua/accept.lua` takes it: the run id, whether the process keeps
    /// all, and whether it was promoted.
    pub(super) fn argument(&self) -> String {
        format!("{}:{}:{}", self.run_id, u8::from(self.keeps_all), u8::from(self.promoted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_has_the_run_id_the_durability_and_a_promotion() {
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
