//! A shell that runs the commands of a guide one after the other, like the shell of a reader.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::page::Step;
use crate::jobs::bash;
use crate::server::Server;

/// The line after the output of a command, before its exit code.
const END: &str = "--- end of the command ---";
/// The maximum time of a command, and of the repetitions of one that only reads.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// The commands that only read, so that they can be repeated: what they show may take a moment.
const READING: [&str; 15] = [
    "frameway streams list",
    "frameway streams show",
    "frameway streams --filter",
    "frameway frames ",
    "frameway groups list",
    "frameway groups show",
    "frameway dead-letters list",
    "frameway dead-letters summary",
    "frameway queues",
    "frameway look",
    "frameway health",
    "find ",
    "wc ",
    "curl ",
    "grep ",
];

/// The ports of a guide (7400 to 7499) and the free ports that stand for them.
#[derive(Debug, Default)]
pub(super) struct Ports(BTreeMap<String, String>);

impl Ports {
    pub(super) fn with(port: &str, free: &str) -> Self {
        Self(BTreeMap::from([(port.to_owned(), free.to_owned())]))
    }

    /// Replaces each `:74xx` of a command by a free port.
    fn replace(&mut self, command: &str) -> String {
        let mut replaced = String::new();
        let mut rest = command;
        while let Some((before, after)) = rest.split_once(":74") {
            let digits: String = after.chars().take(2).filter(char::is_ascii_digit).collect();
            replaced.push_str(before);
            if digits.len() == 2 {
                let free = self.0.entry(format!("74{digits}")).or_insert_with(free_port);
                replaced.push_str(&format!(":{free}"));
            } else {
                replaced.push_str(&format!(":74{digits}"));
            }
            rest = &after[digits.len()..];
        }
        replaced + rest
    }
}

impl Ports {
    /// Replaces the free ports in an output by those of the guide.
    fn restore(&self, line: &str) -> String {
        let restore = |line: String, (port, free): (&String, &String)| {
            line.replace(&format!(":{free}"), &format!(":{port}"))
        };
        self.0.iter().fold(line.to_owned(), restore)
    }
}

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port().to_string()
}

pub(super) struct Shell {
    process: Child,
    commands: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Shell {
    pub(super) fn start(folder: &Path, server: &Server, variables: &[(&str, &str)]) -> Self {
        let mut process = bash(folder, server)
            .args(["-uo", "pipefail"])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let commands = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { process, commands, lines }
    }

    /// Runs a command; returns its exit code and what it printed.
    fn run(&mut self, command: &str) -> (i32, Vec<String>) {
        let line = format!("{{ {command}\n}} < /dev/null 2>&1; code=$?; echo; echo '{END}' $code\n");
        self.commands.write_all(line.as_bytes()).expect("bash reads");
        let (mut printed, deadline) = (Vec::new(), Instant::now() + DEADLINE);
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(code) => return (code.trim().parse().expect("a code"), printed),
                    None => printed.push(line),
                },
                Err(error) => panic!("{command}: {error}: {printed:#?}"),
            }
        }
    }

    /// Runs a command of a guide, and asserts that it prints what the guide says.
    pub(super) fn check(&mut self, guide: &str, step: &Step, ports: &mut Ports) {
        let command = ports.replace(&step.command);
        let fails = step
            .prints
            .iter()
            .rfind(|line| *line != "...")
            .is_some_and(|line| line.starts_with("frameway: "));
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (code, mut printed) = self.run(&command);
            printed.iter_mut().for_each(|line| *line = ports.restore(line));
            let wrong = if (code != 0) == fails {
                differs(&step.prints, &printed)
            } else {
                Some(format!("exit code {code}"))
            };
            let Some(wrong) = wrong else { return };
            let may_repeat = READING.iter().any(|reading| command.starts_with(reading));
            if !may_repeat || Instant::now() > deadline {
                panic!("{guide}.md: $ {command}\n{wrong}\nit printed:\n{}", printed.join("\n"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // With all that the commands have started.
        let group = Pid::from_raw(self.process.id().try_into().expect("a process id"));
        let _gone = killpg(group, Signal::SIGKILL);
        let _reaped = self.process.wait();
    }
}

/// Returns what of the lines differs: a line of the guide that was not printed or, if the guide does
/// not leave out any, a printed line that the guide does not have.
fn differs(says: &[String], printed: &[String]) -> Option<String> {
    let shapes = |lines: &[String]| {
        let lines = lines.iter().filter(|line| !line.trim().is_empty() && line.trim() != "...");
        lines.map(|line| shape(line)).collect::<Vec<_>>()
    };
    let (expected, found) = (shapes(says), shapes(printed));
    if let Some(missing) = expected.iter().find(|line| !found.iter().any(|found| matches(line, found))) {
        return Some(format!("it does not print: {missing}"));
    }
    let is_whole = !says.is_empty() && !says.iter().any(|line| line.trim() == "...");
    let more = found.iter().find(|found| is_whole && !expected.iter().any(|line| matches(line, found)))?;
    Some(format!("the guide does not have: {more}"))
}

/// Compares a line of a guide, in which `...` stands for any text, with a printed one.
fn matches(line: &str, found: &str) -> bool {
    match line.split_once("...") {
        None => line == found,
        Some((start, end)) => {
            found.len() >= start.len() + end.len() && found.starts_with(start) && found.ends_with(end)
        }
    }
}

const UNITS: [&str; 10] = ["B", "kB", "MB", "GB", "kbit/s", "Mbit/s", "ms", "s", "m", "h"];

/// Returns a line without what differs from run to run: times, sizes, numbers with a decimal point, ids,
/// and white space. Other whole numbers stay.
fn shape(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        // A live stream may have stalled since.
        let word = if word == "stalled" { "live".to_owned() } else { without_numbers(word) };
        let bare = word.trim_end_matches([',', ';', ')', '.', ':']);
        match words.last_mut() {
            Some(last)
                if UNITS.contains(&bare) && last.ends_with(|c: char| c == '#' || c.is_ascii_digit()) =>
            {
                let start = last.trim_end_matches(|c: char| c == '#' || c.is_ascii_digit()).len();
                last.truncate(start);
                last.push('#');
                last.push_str(&word[bare.len()..]);
            }
            _ => words.push(word),
        }
    }
    words.join(" ")
}

/// Replaces each date with the time after it, each number with a decimal point or a unit, and each id
/// by `#`.
fn without_numbers(word: &str) -> String {
    let leading = |text: &str, is: fn(char) -> bool| text.len() - text.trim_start_matches(is).len();
    let is_date = |text: &str| {
        text.len() >= 10
            && text.bytes().take(10).enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut shape = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let hex = leading(rest, |c| c.is_ascii_hexdigit());
        let digits = leading(rest, |c| c.is_ascii_digit() || c == '.');
        let unit = leading(&rest[digits..], |c| c.is_ascii_alphabetic());
        if is_date(rest) {
            shape.push('#');
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "-/:.TZ".contains(c));
        } else if hex >= 8 && rest[..hex].contains(|c: char| c.is_ascii_digit()) {
            shape.push('#');
            rest = &rest[hex..];
        } else if first.is_ascii_digit() {
            let number = &rest[..digits];
            let has_unit = unit > 0 && UNITS.contains(&&rest[digits..digits + unit]);
            let varies = number.trim_end_matches('.').contains('.') || number.len() >= 8 || has_unit;
            shape.push_str(if varies { "#" } else { number });
            rest = &rest[if has_unit { digits + unit } else { digits }..];
        } else {
            shape.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    shape
}

#[test]
fn what_a_command_prints_is_compared_without_times_and_sizes() {
    let differs = |says: &str, printed: &str| {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        self::differs(&lines(says), &lines(printed)).is_some()
    };
    assert!(!differs("saved 6 files (76.7 kB) in 46.0 ms", "saved  6 files (1.2 MB) in 1.1 s"));
    assert!(differs("saved 6 files", "saved 7 files"));
    assert!(differs("saved 6 files", "saved 6 files\nand more"));
    assert!(!differs("saved 6 files\n...", "saved 6 files\nand more"));
    assert!(!differs(
        "rec/2026-11-30/18/182102.275Z-000000001.jpg",
        "rec/2027-01-01/09/090909.001Z-000000001.jpg"
    ));
    assert!(!differs("Key 8c4fc3a65fd8 of principal a", "Key 19be86dde665 of principal a"));
    assert!(!differs("over budget  the last ... frames", "over budget  the last 18 frames"));
    assert!(differs("over budget  the last ... frames", "within the budget"));
    assert!(!differs("", "anything"));
}

#[test]
fn a_command_has_its_exit_code_and_its_output() {
    let (server, folder) = (Server::start(), tempfile::tempdir().expect("a temporary folder"));
    let mut shell = Shell::start(folder.path(), &server, &[]);
    assert_eq!(shell.run("word=kept").0, 0);
    let (code, printed) = shell.run("echo \"$word\"; echo error >&2; (exit 3)");
    assert_eq!((code, printed.concat()), (3, "kepterror".to_owned()));
}
