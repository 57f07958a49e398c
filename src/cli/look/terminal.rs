//! Pictures in a terminal: the graphics protocol of kitty and the inline images of iTerm2.
//!
//! <https://sw.kovidgoyal.net/kitty/graphics-protocol/>, <https://iterm2.com/documentation-images.html>.
//! The sequences are short, and the library for them (viuer) depends on code under the LGPL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;

/// The maximum number of base64 characters in one sequence of kitty's protocol.
const KITTY_CHUNK: usize = 4_096;
/// The width of a column in pixels, if the terminal does not tell it.
const COLUMN_PIXELS: u32 = 8;

/// How a terminal is told to show a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// The graphics protocol of kitty, which Ghostty has, too.
    Kitty,
    /// The inline images of iTerm2, which WezTerm and others have, too.
    Iterm2,
}

impl Protocol {
    /// Returns the protocol of the terminal that the environment describes; `None` if it is not known
    /// to have one.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        // A multiplexer does not pass pictures on.
        if variable("TMUX").is_some() || variable("STY").is_some() {
            return None;
        }
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        let term = variable("TERM").unwrap_or_default();
        if variable("KITTY_WINDOW_ID").is_some()
            || term == "xterm-kitty"
            || term == "xterm-ghostty"
            || program == "ghostty"
        {
            return Some(Self::Kitty);
        }
        let is_iterm2 = ["iTerm.app", "WezTerm", "mintty"].contains(&program.as_str());
        (is_iterm2 || variable("WEZTERM_EXECUTABLE").is_some()).then_some(Self::Iterm2)
    }

    /// Returns the sequence that shows a PNG at the cursor, with a line end after it. If `columns` is
    /// given, the picture is as wide as so many columns.
    pub(super) fn sequence(self, png: &[u8], columns: Option<u16>) -> String {
        let data = STANDARD.encode(png);
        match self {
            Self::Kitty => {
                let columns = columns.map(|columns| format!(",c={columns}")).unwrap_or_default();
                let mut sequence = String::with_capacity(data.len() + data.len() / 256 + 64);
                let mut rest = data.as_str();
                // q=2: the terminal does not answer.
                let mut control = format!("a=T,f=100,q=2{columns},");
                while !rest.is_empty() {
                    let (chunk, after) = rest.split_at(rest.len().min(KITTY_CHUNK));
                    let more = u8::from(!after.is_empty());
                    sequence.push_str(&format!("\x1b_G{control}m={more};{chunk}\x1b\\"));
                    control.clear();
                    rest = after;
                }
                sequence.push('\n');
                sequence
            }
            Self::Iterm2 => {
                let columns = columns.map(|columns| format!(";width={columns}")).unwrap_or_default();
                format!("\x1b]1337;File=inline=1;size={}{columns}:{data}\x07\n", png.len())
            }
        }
    }
}

/// The size of a terminal's window; zeros where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) columns: u16,
    pub(super) width_pixels: u16,
}

impl Window {
    /// Returns the columns to which a picture of this width is scaled down; `None` if it fits.
    pub(super) fn columns_for(self, width: u32) -> Option<u16> {
        let known = match self.width_pixels {
            0 => u32::from(self.columns) * COLUMN_PIXELS,
            pixels => pixels.into(),
        };
        (self.columns > 0 && width > known).then_some(self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Protocol> {
        Protocol::of(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn terminals_are_known_by_their_variables() {
        assert_eq!(of(&[("TERM", "xterm-kitty")]), Some(Protocol::Kitty));
        assert_eq!(of(&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")]), Some(Protocol::Kitty));
        assert_eq!(of(&[("TERM_PROGRAM", "ghostty")]), Some(Protocol::Kitty));
        assert_eq!(of(&[("TERM_PROGRAM", "iTerm.app")]), Some(Protocol::Iterm2));
        assert_eq!(of(&[("TERM_PROGRAM", "WezTerm")]), Some(Protocol::Iterm2));
        assert_eq!(of(&[("TERM", "xterm-256color")]), None);
        assert_eq!(of(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux-0/default,1,0")]), None);
        assert_eq!(of(&[("TERM_PROGRAM", "WezTerm"), ("STY", "1.pts-0")]), None);
    }

    #[test]
    fn a_picture_is_scaled_down_if_it_is_wider_than_the_window() {
        let window = |columns, width_pixels| Window { columns, width_pixels };
        assert_eq!(window(80, 800).columns_for(801), Some(80));
        assert_eq!(window(80, 800).columns_for(800), None);
        assert_eq!(window(80, 0).columns_for(641), Some(80));
        assert_eq!(window(0, 0).columns_for(5_000), None);
    }
}
