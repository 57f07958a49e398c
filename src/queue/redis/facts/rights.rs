//! The commands that Frameway needs, and the question whether a user may run them.

use redis::{Cmd, Value};

use crate::queue::Result;
use crate::queue::redis::reply;

const SCRIPT: &str = include_str!("../lua/denied.lua");

/// The commands, as the permissions in `docs/redis.md` name them, and arguments that Redis can
/// parse. `K` stands for a key.
const COMMANDS: &[(&str, &str)] = &[
    ("config|get", "appendfsync"),
    ("del", "K"),
    ("eval", "return 0"),
    ("evalsha", "0000000000000000000000000000000000000000 0"),
    ("exists", "K"),
    ("get", "K"),
    ("getrange", "K 0 1"),
    ("hdel", "K f"),
    ("hexists", "K f"),
    ("hget", "K f"),
    ("hgetall", "K"),
    ("hincrby", "K f 1"),
    ("hkeys", "K"),
    ("hlen", "K"),
    ("hmget", "K f"),
    ("hrandfield", "K"),
    ("hset", "K f v"),
    ("hsetnx", "K f v"),
    ("hstrlen", "K f"),
    ("incr", "K"),
    ("info", ""),
    ("mget", "K"),
    ("persist", "K"),
    ("pexpire", "K 1"),
    ("pttl", "K"),
    ("rename", "K K"),
    ("sadd", "K m"),
    ("scard", "K"),
    ("set", "K v"),
    ("setrange", "K 0 v"),
    ("sismember", "K m"),
    ("smembers", "K"),
    ("srandmember", "K"),
    ("srem", "K m"),
    ("time", ""),
    ("unlink", "K"),
    ("wait", "1 1"),
    ("xadd", "K * f v"),
    ("xdel", "K 1-1"),
    ("xinfo|stream", "K"),
    ("xlen", "K"),
    ("xrange", "K - +"),
    ("xread", "STREAMS K 0"),
    ("xrevrange", "K + -"),
    ("xtrim", "K MAXLEN 1"),
    ("zadd", "K 1 m"),
    ("zcard", "K"),
    ("zcount", "K 0 1"),
    ("zrandmember", "K"),
    ("zrange", "K 0 1"),
    ("zrangebyscore", "K 0 1"),
    ("zrem", "K m"),
    ("zremrangebyrank", "K 0 1"),
    ("zremrangebyscore", "K 0 1"),
    ("zscore", "K m"),
];

/// The commands that a cluster needs in addition. `K` is also the name of a channel.
const OF_CLUSTERS: &[(&str, &str)] = &[
    ("asking", ""),
    ("cluster|info", ""),
    ("cluster|slots", ""),
    ("ping", ""),
    ("scan", "0"),
    ("spublish", "K m"),
    ("ssubscribe", "K"),
];

/// Returns the command that asks which commands the user may not run on `key`, those for a cluster
/// included if it is one; [`denied`] reads its answer.
pub(super) fn question(key: &str, is_cluster: bool) -> Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(SCRIPT).arg(0);
    let more = OF_CLUSTERS.iter().filter(|_| is_cluster);
    for (name, arguments) in COMMANDS.iter().chain(more) {
        let words = name.split('|').chain(arguments.split_whitespace());
        let words: Vec<&str> = words.map(|word| if word == "K" { key } else { word }).collect();
        eval.arg(words.join(" "));
    }
    eval
}

/// Returns the names of the commands that the user may not run.
pub(super) fn denied(answer: Value) -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    for number in reply::array(answer)? {
        let number = usize::try_from(reply::number(number)?).unwrap_or(usize::MAX);
        names.extend(COMMANDS.iter().chain(OF_CLUSTERS).nth(number.wrapping_sub(1)).map(|(name, _)| *name));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_those_of_the_document() {
        let document = include_str!("../../../../docs/redis.md");
        for (begin, commands) in [("user frameway ", COMMANDS), ("ACL SETUSER frameway ", OF_CLUSTERS)] {
            let line = document.lines().find(|line| line.starts_with(begin)).unwrap();
            let granted: Vec<&str> = line.split(' ').filter_map(|word| word.strip_prefix('+')).collect();
            let asked: Vec<&str> = commands.iter().map(|(name, _)| *name).collect();
            assert_eq!(asked, granted);
        }
    }
}
