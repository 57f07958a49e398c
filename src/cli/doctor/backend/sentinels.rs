//! Judges what the Sentinels say: whether they could fail over, and to which replicas.

use super::super::finding::Finding;
use crate::queue::redis::facts::{KnownReplica, Opinion, Survey};

const PAGE: &str = "docs/redis.md#sentinel";
/// The number of Sentinels from which on one of them may fail.
const ENOUGH: u64 = 3;

pub(super) fn judge(survey: &Survey) -> Vec<Finding> {
    let Survey { name, opinions } = survey;
    let mut findings: Vec<Finding> =
        opinions.iter().filter_map(|(_, opinion)| opinion.as_ref().err()).map(|why| silent(why)).collect();
    let answers: Vec<(&str, &Opinion)> = opinions
        .iter()
        .filter_map(|(address, opinion)| Some((address.as_str(), opinion.as_ref().ok()?)))
        .collect();
    let Some((_, newest)) = answers.iter().max_by_key(|(_, opinion)| opinion.epoch) else {
        let found = format!("none of {} answers: the primary of {name:?} is not known", opinions.len());
        let change = "start the Sentinels, or correct --redis-url; the server would wait for them";
        findings.push(Finding::error("sentinels", found, change).page(PAGE));
        return findings;
    };
    findings.push(Finding::ok(
        "sentinels",
        format!(
            "{} of {} answer; the primary of {name:?} is {}",
            answers.len(),
            opinions.len(),
            newest.primary
        ),
    ));
    findings.extend(disagreement(&answers));
    findings.push(quorum(&answers, newest));
    findings.extend(promotable(newest));
    findings
}

fn silent(why: &str) -> Finding {
    Finding::warning("sentinel", why, "start it, or take it out of --redis-url").page(PAGE)
}

fn disagreement(answers: &[(&str, &Opinion)]) -> Option<Finding> {
    let (_, first) = answers.first()?;
    if answers.iter().all(|(_, opinion)| opinion.primary == first.primary) {
        return None;
    }
    let each = answers.iter().map(|(address, opinion)| format!("{address} names {}", opinion.primary));
    let found = format!("they name different primaries: {}", each.collect::<Vec<_>>().join(", "));
    let change = "if that is still so in a minute, look at the logs of the Sentinels";
    Some(Finding::warning("sentinels", found, change).page(PAGE))
}

fn quorum(answers: &[(&str, &Opinion)], newest: &Opinion) -> Finding {
    let no_quorum = answers.iter().find_map(|(_, opinion)| opinion.no_quorum.as_ref());
    let known = newest.others + 1;
    if let Some(why) = no_quorum {
        let change = "start the Sentinels that are down: without a quorum and a majority, nobody fails over";
        return Finding::error("quorum", why, change).page(PAGE);
    }
    let found = format!("{} of {known} Sentinels must agree that the primary is down", newest.quorum);
    if known < ENOUGH {
        let change = "run three Sentinels or more, on different machines";
        let found = format!("{found}: if one of them fails, nobody fails over");
        return Finding::warning("quorum", found, change).page(PAGE);
    }
    Finding::ok("quorum", found)
}

fn promotable(newest: &Opinion) -> Vec<Finding> {
    let down = newest.replicas.iter().filter(|replica| replica.is_down).map(|replica| {
        let found = format!("replica {} cannot be reached, or does not follow the primary", replica.address);
        let change =
            "look at its log and its network; if it is gone for good, run SENTINEL RESET at each Sentinel";
        Finding::warning("replica", found, change).page(PAGE)
    });
    let mut findings: Vec<Finding> = down.collect();
    let can = |replica: &&KnownReplica| !replica.is_down && replica.priority > 0;
    let able: Vec<&str> =
        newest.replicas.iter().filter(can).map(|replica| replica.address.as_str()).collect();
    findings.push(if able.is_empty() {
        let change = "start a replica, with a replica-priority other than 0";
        Finding::warning("failover", "there is no replica that could become the primary", change).page(PAGE)
    } else {
        Finding::ok("failover", format!("could become the primary: {}", able.join(", ")))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    fn opinion() -> Opinion {
        let replica =
            |address: &str| KnownReplica { address: address.to_owned(), is_down: false, priority: 100 };
        Opinion {
            primary: "10.0.0.1:6379".to_owned(),
            epoch: 3,
            quorum: 2,
            others: 2,
            no_quorum: None,
            replicas: vec![replica("10.0.0.2:6379"), replica("10.0.0.3:6379")],
        }
    }

    type Change = fn(&mut Opinion);

    fn survey(changes: [Change; 3]) -> Survey {
        let opinions = changes.iter().enumerate().map(|(index, change)| {
            let mut opinion = opinion();
            change(&mut opinion);
            (format!("10.0.0.{index}:26379"), Ok(opinion))
        });
        Survey { name: "fw".to_owned(), opinions: opinions.collect() }
    }

    #[test]
    fn good_sentinels_have_nothing_to_change() {
        let findings = judge(&survey([|_| {}; 3]));
        assert!(findings.iter().all(|one| one.level == Level::Ok && one.change.is_none()), "{findings:#?}");
        let text = format!("{findings:?}");
        for says in ["3 of 3 answer", "2 of 3 Sentinels must agree", "10.0.0.2:6379, 10.0.0.3:6379"] {
            assert!(text.contains(says), "{says} in {text}");
        }
    }

    #[test]
    fn what_prevents_a_failover_is_found() {
        let table: [(Change, &str, Level, &str); 6] = [
            (|one| one.primary = "10.0.0.9:1".to_owned(), "sentinels", Level::Warning, "names 10.0.0.9:1"),
            (|one| one.no_quorum = Some("NOQUORUM 1".to_owned()), "quorum", Level::Error, "NOQUORUM 1"),
            (|one| (one.others, one.epoch) = (1, 9), "quorum", Level::Warning, "2 of 2"),
            (
                |one| (one.replicas[0].is_down, one.epoch) = (true, 9),
                "replica",
                Level::Warning,
                "10.0.0.2:6379",
            ),
            (|one| (one.replicas, one.epoch) = (Vec::new(), 9), "failover", Level::Warning, "no replica"),
            (
                |one| {
                    one.replicas.iter_mut().for_each(|replica| replica.priority = 0);
                    one.epoch = 9;
                },
                "failover",
                Level::Warning,
                "replica-priority",
            ),
        ];
        for (change, subject, level, says) in table {
            let findings = judge(&survey([|_| {}, change, |_| {}]));
            let found = findings.iter().any(|one| {
                one.subject == subject
                    && one.level == level
                    && format!("{one:?}").contains(says)
                    && one.page.is_some()
            });
            assert!(found, "{subject}, {says}: {findings:#?}");
        }
        let mut silent = survey([|_| {}; 3]);
        silent.opinions[0].1 = Err("Sentinel a:1: refused".to_owned());
        let findings = judge(&silent);
        assert!(findings.iter().any(|one| one.subject == "sentinel" && one.level == Level::Warning));
        silent.opinions.truncate(1);
        let findings = judge(&silent);
        assert!(findings.iter().any(|one| one.subject == "sentinels" && one.level == Level::Error));
    }
}
