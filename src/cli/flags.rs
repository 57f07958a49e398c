//! A value for every flag, for tests that try all flags of a command.

use clap::{Arg, Args, Command};

/// Parses each flag of `A` alone, with a valid value, and returns it with its name.
pub(super) fn each_alone<A: Args>() -> Vec<(String, A)> {
    let command = A::augment_args(Command::new("each"));
    let parse = |flag: &Arg| {
        let name = format!("--{}", flag.get_long().expect("every setting is a flag"));
        let words = ["each".to_owned(), name.clone()].into_iter().chain(value(flag));
        let matches = command.clone().try_get_matches_from(words).unwrap_or_else(|error| panic!("{error}"));
        (name, A::from_arg_matches(&matches).expect("the flags are those of the type"))
    };
    command.get_arguments().map(parse).collect()
}

/// Returns a value that the flag accepts and that is not the default; `None` for a switch.
fn value(flag: &Arg) -> Option<String> {
    if !flag.get_action().takes_values() {
        return None;
    }
    let choices = flag.get_possible_values();
    let set = choices.iter().find(|choice| choice.get_name() == "true");
    if let Some(choice) = set.or(choices.last()) {
        return Some(choice.get_name().to_owned());
    }
    let name = flag.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
    let sample = match name.unwrap_or_default() {
        "TEXT" => "text",
        "KEY=VALUE" => "key=value",
        "N" | "PIXELS" | "PERCENT" => "64",
        "SCORE" => "0.5",
        "TIME" | "SPAN" => "10m",
        "BYTES" => "64kB",
        "STREAM" => "north-gate",
        "ID=X,Y;X,Y;X,Y" => "door=0,0;1,0;1,1",
        "ID:KIND:X,Y;X,Y;X,Y" => "left:lane:0,0;1,0;1,1",
        other => panic!("{flag}: add a sample for a value named {other:?}"),
    };
    Some(sample.to_owned())
}
