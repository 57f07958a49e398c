//! `frameway look` in a terminal: the sequences that show the sheet, decoded back to the picture.

use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frameway::picture::{Codec, Limits, SourcePicture};

use super::server::Server;
use super::{assert_fails, draw, stderr, stdout};

/// Starts a server with a stream that has a picture.
fn server_with_a_picture() -> Server {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    draw(folder.path(), 1);
    server.text(&["submit", &folder.path().to_string_lossy(), "--stream", "cam", "--register"]);
    let seen = ["subscribe", "cam", "--from", "earliest", "--count", "1"];
    server.text(&seen);
    server
}

/// Returns the width of an encoded picture.
fn width_of(png: &[u8]) -> u32 {
    assert!(png.starts_with(b"\x89PNG"));
    let source = SourcePicture::encoded(png).expect("a picture");
    Codec::new(Limits::default()).decode(&source).expect("it decodes").width()
}

/// Reads the sequences of kitty's protocol at the start of a text: their first control data, the
/// picture, and the text after them.
fn kitty(text: &str) -> (String, Vec<u8>, String) {
    let (mut rest, mut control, mut data, mut more) = (text, None, String::new(), true);
    while more {
        let (sequence, after) =
            rest.strip_prefix("\x1b_G").and_then(|rest| rest.split_once("\x1b\\")).expect("a sequence");
        let (keys, chunk) = sequence.split_once(';').expect("control data and a chunk");
        assert!(chunk.len() <= 4_096, "the maximum of the protocol");
        more = keys.split(',').any(|key| key == "m=1");
        control.get_or_insert_with(|| keys.to_owned());
        data.push_str(chunk);
        rest = after;
    }
    (control.unwrap_or_default(), STANDARD.decode(data).expect("base64"), rest.to_owned())
}

/// Reads an inline image of iTerm2 at the start of a text: its arguments, the picture, and the text
/// after it.
fn iterm2(text: &str) -> (String, Vec<u8>, String) {
    let rest = text.strip_prefix("\x1b]1337;File=").expect("a sequence");
    let (sequence, after) = rest.split_once('\x07').expect("its end");
    let (arguments, data) = sequence.split_once(':').expect("arguments and data");
    (arguments.to_owned(), STANDARD.decode(data).expect("base64"), after.to_owned())
}

/// Runs `frameway look` in a pseudo-terminal of 40 columns, with the environment of a terminal;
/// `None` if there is no `script` here.
fn in_terminal(server: &Server, variables: &[(&str, &str)]) -> Option<String> {
    let line = format!(
        "stty rows 30 cols 40 -onlcr; exec {} look --address {}",
        env!("CARGO_BIN_EXE_frameway"),
        server.address()
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("script");
    for name in ["KITTY_WINDOW_ID", "WEZTERM_EXECUTABLE", "TERM_PROGRAM", "TMUX", "STY"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied()).current_dir(folder.path());
    let output = match command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: there is no `script` (util-linux) for a pseudo-terminal");
            return None;
        }
        output => output.expect("it runs"),
    };
    assert!(output.status.success(), "{}", stderr(&output));
    let written = folder.path().join("frameway-look.jpg").exists();
    let text = stdout(&output);
    assert_eq!(written, text.contains("frameway-look.jpg: "), "a file is named if and only if it is there");
    Some(text)
}

#[test]
fn a_sheet_is_sent_to_a_terminal_as_a_picture() {
    let server = server_with_a_picture();
    let summary = "\n1 streams, 1 with a picture\n";
    let (control, png, rest) = kitty(&server.text(&["look", "--inline=kitty"]));
    assert_eq!((control.as_str(), rest.as_str()), ("a=T,f=100,q=2,m=1", summary));
    assert_eq!(width_of(&png), 416);
    let (arguments, png, rest) = iterm2(&server.text(&["look", "--inline=iterm2", "--width", "100"]));
    assert_eq!((arguments, rest.as_str()), (format!("inline=1;size={}", png.len()), summary));
    assert_eq!(width_of(&png), 116);
    assert_fails(&["look", "--inline", "--output", "sheet.png"], 2, "cannot be used with");
    assert_fails(&["look", "--inline=sixel"], 2, "kitty, iterm2");
}

#[test]
fn a_terminal_that_is_known_to_show_pictures_gets_the_sheet() {
    let server = server_with_a_picture();
    let Some(text) = in_terminal(&server, &[("TERM", "xterm-kitty")]) else { return };
    let (control, png, rest) = kitty(&text);
    // The window is narrower than the sheet.
    assert_eq!(control, "a=T,f=100,q=2,c=40,m=1");
    assert_eq!(width_of(&png), 416);
    assert!(rest.starts_with("\n1 streams, "), "{rest:?}");
    let text = in_terminal(&server, &[("TERM_PROGRAM", "WezTerm")]).expect("`script` is here");
    assert!(iterm2(&text).0.ends_with(";width=40"), "{text}");
    let text = in_terminal(&server, &[]).expect("`script` is here");
    assert_eq!(text, "frameway-look.jpg: 1 streams, 1 with a picture\n");
    let text = in_terminal(&server, &[("TERM", "xterm-kitty"), ("TMUX", "x")]).expect("`script` is here");
    assert!(text.starts_with("frameway-look.jpg: "), "{text}");
}
