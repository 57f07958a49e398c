use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::board::tests::two_samples;
use super::*;

fn state() -> State {
    let mut state = State::new("127.0.0.1:7400");
    let (now, before) = two_samples();
    state.take(Ok(before), Instant::now());
    state.take(Ok(now), Instant::now());
    state
}

fn press(state: &mut State, code: KeyCode) {
    state.key(KeyEvent::new(code, KeyModifiers::NONE));
}

/// Returns the lines of a screen, without the spaces at their ends.
fn screen(state: &mut State, width: u16, height: u16, now: Instant) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, now)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[test]
fn the_streams_are_drawn_with_their_rates() {
    let wanted = [
        "127.0.0.1:7400  Frameway 0.1.0, redis, SERVING",
        "in 25.0/s (1.2 MB/s), done 24.0/s, waiting 12, failed 0, dropped 0, refused 0.0/s",
        "delivered 50.0/s (0 B/s), subscriptions 4, server memory 90.0 MB, backend 1.0 GB of 4.0 GB",
        " 1 streams  2 queues  3 workers  4 groups  5 dead letters",
        "STREAMv  STATE  IN/s  BYTES IN  OUT/s  WAITING  LAST FRAME  FAILED  DROPPED  KEPT  KEPT BYTES",
        "north    live   25.0  1.2 MB/s   20.0       10           -       0        0     7         0 B",
        "south    live      -         -      -        2           -       0        0     7         0 B",
        "",
        "q quit  Tab/1-5 view  s sort  r reverse  / filter  ? help",
    ];
    assert_eq!(screen(&mut state(), 100, 9, Instant::now()), wanted);
}

#[test]
fn every_view_is_drawn() {
    let mut state = state();
    for (key, row) in [
        (
            '2',
            "p00     paused        2       12  600.0 kB  25 %          0       -    24.5    -  worker-1  new worker",
        ),
        ('3', "worker-1  0.1.0     -           1    24.0        288       0        -"),
        ('4', "detect         2        1    90            0       -        -            3     0     0"),
        ('5', "   -  north         17  worker  DECODE_TRUNCATED      0 B  -"),
    ] {
        press(&mut state, KeyCode::Char(key));
        let screen = screen(&mut state, 120, 9, Instant::now());
        assert_eq!(screen[5], row, "{screen:#?}");
    }
}

#[test]
fn rows_beyond_the_screen_are_reached_by_scrolling() {
    let mut state = state();
    let first = screen(&mut state, 110, 7, Instant::now());
    assert!(first[5].starts_with("north") && first[6].starts_with("rows 1-1 of 2  q quit"), "{first:#?}");
    press(&mut state, KeyCode::End);
    let last = screen(&mut state, 110, 7, Instant::now());
    assert!(last[5].starts_with("south") && last[6].starts_with("rows 2-2 of 2"), "{last:#?}");
    assert_eq!(state.scroll, 1);
}

#[test]
fn the_filter_the_help_and_an_outage_are_shown() {
    let mut state = state();
    for code in ['/', 's', 'o', 'u'].map(KeyCode::Char) {
        press(&mut state, code);
    }
    let filtered = screen(&mut state, 110, 9, Instant::now());
    assert!(filtered[5].starts_with("south") && filtered[6].is_empty(), "{filtered:#?}");
    assert!(filtered[8].starts_with("filter: sou_"), "{filtered:#?}");
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('?'));
    let help = screen(&mut state, 110, 20, Instant::now());
    assert!(help.iter().any(|line| line.contains("Ctrl-C          quit")), "{help:#?}");
    press(&mut state, KeyCode::Esc);

    let start = Instant::now();
    state.take(Err("Connection refused".to_owned()), start);
    let outage = screen(&mut state, 110, 9, start + Duration::from_secs(12));
    assert_eq!(outage[0], "NO ANSWER for 12.0 s; trying again (Connection refused)");
    assert!(outage[5].starts_with("south"), "the last values stay: {outage:#?}");
}

#[test]
fn a_part_that_is_refused_and_a_tiny_screen_are_drawn() {
    let mut state = state();
    state.now.as_mut().unwrap().streams = Err("PERMISSION_DENIED (no)".to_owned());
    let refused = screen(&mut state, 80, 9, Instant::now());
    assert_eq!(refused[4], "not shown: PERMISSION_DENIED (no)");
    for (width, height) in [(1, 1), (10, 3), (20, 5)] {
        screen(&mut state, width, height, Instant::now());
        press(&mut state, KeyCode::Char('?'));
    }
    let mut empty = State::new("a:1");
    assert_eq!(screen(&mut empty, 40, 6, Instant::now())[0], "a:1  reading ...");
}
