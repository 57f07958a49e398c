//! `frameway top`.

mod board;
mod draw;
mod plain;
mod sample;
mod state;
mod table;

use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::sample::Sample;
use self::state::State;
use super::connect::ConnectArgs;
use crate::client::Client;
use crate::console::Failure;
use crate::console::output::print;
use crate::shutdown;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);
/// The interval at which ages on the screen are drawn again.
const REDRAW_INTERVAL: Duration = Duration::from_millis(500);
/// The time after which the reader of keys notices that nobody wants them any more.
const KEY_WAIT: Duration = Duration::from_millis(100);
const WAITING_EVENTS: usize = 64;

/// Watch a server: streams, work queues, workers, consumer groups and dead letters, with rates.
///
/// The keys 1 to 5 choose a view, `/` filters it, `s` sorts it, `q` quits, `?` lists the other keys.
/// If the server stops answering, the last values stay on the screen, and `top` keeps trying. If
/// standard output is not a terminal, or with --once, it prints all views once as text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway top
  frameway top --address frames.example:7400 --interval 5s
  frameway top --once | less")]
pub(super) struct TopArgs {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Time between two readings.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = interval_of)]
    interval: Duration,

    /// Read twice, print all views as text, and exit.
    #[arg(long)]
    once: bool,
}

fn interval_of(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!("must be at least {}", humantime::format_duration(SHORTEST_INTERVAL)));
    }
    Ok(interval)
}

/// Shows the dashboard, or prints it once.
pub(super) async fn run(args: TopArgs) -> Result<(), Failure> {
    let client = args.connect.connect().await?;
    let address = &args.connect.address;
    if args.once || !io::stdout().is_terminal() {
        return once(&client, address, args.interval).await;
    }
    let failed = |error: io::Error| Failure::Failed(error.into());
    let stop = shutdown::on_signal().map_err(failed)?;
    let mut screen = Screen::open().map_err(failed)?;
    let stopped = stop.run_until_cancelled(watch(&mut screen, &client, address, args.interval)).await;
    drop(screen);
    stopped.unwrap_or(Ok(())).map_err(Failure::Failed)
}

/// Prints all views once. Rates need two readings.
async fn once(client: &Client, address: &str, interval: Duration) -> Result<(), Failure> {
    let failed = |why: String| Failure::Failed(anyhow!("reading {address}: {why}"));
    let before = Sample::read(client).await.map_err(failed)?;
    sleep(interval).await;
    let now = Sample::read(client).await.map_err(failed)?;
    print(&plain::text(address, &now, &before));
    Ok(())
}

/// Reads and draws until a key ends it.
async fn watch(screen: &mut Screen, client: &Client, address: &str, every: Duration) -> anyhow::Result<()> {
    let read_after = async |pause: Duration| {
        sleep(pause).await;
        Sample::read(client).await
    };
    let mut state = State::new(address);
    let mut events = events();
    let mut redraw = interval(REDRAW_INTERVAL);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reading = pin!(read_after(Duration::ZERO));
    loop {
        screen.0.draw(|frame| draw::draw(frame, &mut state, Instant::now()))?;
        tokio::select! {
            sample = &mut reading => {
                state.take(sample, Instant::now());
                reading.set(read_after(every));
            }
            event = events.recv() => {
                let event = event.ok_or_else(|| anyhow!("the terminal cannot be read any more"))??;
                if let Event::Key(key) = event
                    && key.kind == KeyEventKind::Press
                    && state.key(key)
                {
                    return Ok(());
                }
            }
            _ = redraw.tick() => {}
        }
    }
}

/// Reads the keys of the terminal on a thread of its own, until the receiver is dropped.
fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (send, receive) = mpsc::channel(WAITING_EVENTS);
    tokio::task::spawn_blocking(move || {
        while !send.is_closed() {
            let event = match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if send.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    receive
}

/// The terminal, with a screen of its own. It is restored when this is dropped, and on a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
