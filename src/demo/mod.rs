//! `frameway demo`.

mod camera;
mod footage;
mod server;
mod sheet;
mod summary;
mod tally;
mod viewer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::config::Namespace;
use crate::console::cleanup::StreamCleanup;
use crate::console::output::backend_name;
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::shutdown;
use camera::Camera;
use footage::{Footage, Reel};
use server::DemoServer;
use summary::Summary;
use tally::Tally;

/// The maximum wait for the delivery of accepted frames after the last camera has stopped.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(30);
/// The maximum time until a subscription starts.
const START_DEADLINE: Duration = Duration::from_secs(15);
/// The time without progress after which a camera gives up.
const CAMERA_PATIENCE: Duration = Duration::from_secs(20);
/// The number of frames that a stream of the demo keeps: enough for a late subscriber, in little
/// memory.
const KEPT_FRAMES: u64 = 500;

/// Watch frames flow: cameras submit, a worker processes, a subscriber receives, every frame
/// accounted for.
///
/// The demo starts a server in this process on a free port, with the queue in memory or in a Redis.
/// Synthetic cameras, which draw a road with moving vehicles, submit frames through the real gRPC
/// API, and a subscriber receives them through it. At the end, the demo prints an account of every
/// frame and writes a contact sheet of received pictures. The exit code is 1 if a frame was lost,
/// delivered twice or delivered out of order.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway demo
  frameway demo --seconds 60 --cameras 8 --fps 15 --width 1280 --height 720
  frameway demo --redis-url redis://localhost:6379/0
  frameway demo --source recordings/north-gate
  frameway demo --source traffic.mp4 --sheet traffic.jpg      # needs ffmpeg
  frameway demo --json --seconds 5 | tail -n 1 | jq .lost")]
pub(crate) struct DemoArgs {
    /// Time that the cameras run.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,

    /// Number of cameras.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    cameras: u32,

    /// Frames per second of each camera.
    #[arg(long, value_name = "FPS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=120))]
    fps: u32,

    /// Width of the drawn pictures, or of a video after scaling.
    #[arg(long, value_name = "PIXELS", default_value_t = 640, value_parser = clap::value_parser!(u32).range(64..=3840))]
    width: u32,

    /// Height of the drawn pictures, or of a video after scaling.
    #[arg(long, value_name = "PIXELS", default_value_t = 360, value_parser = clap::value_parser!(u32).range(64..=2160))]
    height: u32,

    /// Real pictures instead of drawn ones: a file, a folder, a quoted pattern, or a video (through
    /// ffmpeg). They are repeated.
    #[arg(long, value_name = "PATH")]
    source: Option<String>,

    /// Queue in this Redis instead of in memory. The demo's streams have unique names there and are
    /// removed at the end.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,

    /// Namespace in this Redis.
    #[arg(long, value_name = "NAME", default_value_t = Namespace::default(), requires = "redis_url")]
    namespace: Namespace,

    /// File for the contact sheet.
    #[arg(long, value_name = "FILE", default_value = "frameway-demo.jpg")]
    sheet: PathBuf,

    /// At the end, print one JSON object on one line.
    #[arg(long)]
    json: bool,
}

/// Runs the demo and prints its summary.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    check_folder_of(&args.sheet)?;
    let footage = Footage::open(&args).await?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let mut server = DemoServer::start(args.redis_url.clone(), args.namespace.clone()).await?;
    let address = server.address();
    let played = tokio::select! {
        played = play(&args, footage, &address, &stop) => played,
        why = server.failed() => Err(Failure::Failed(why)),
    };
    server.stop().await;
    let (tally, backend, seconds) = played?;
    let sheet = match sheet::write(tally.samples(), args.sheet.clone()).await {
        Ok(sheet) => sheet,
        Err(error) => {
            eprintln!("no contact sheet: {error:#}");
            None
        }
    };
    let summary = Summary { args: &args, tally: &tally, backend, seconds, sheet };
    summary.print();
    summary.result()
}

/// Runs the cameras and the subscriber until the last frame is delivered. Returns the accounts, the
/// backend's name and the duration.
async fn play(
    args: &DemoArgs,
    footage: Footage,
    address: &str,
    stop: &CancellationToken,
) -> Result<(Arc<Tally>, String, Duration), Failure> {
    let streams = stream_ids(args);
    // The first pictures are drawn while the server starts.
    let reels = footage.reels(&streams);
    let mut client = Client::connect(address).await?;
    let info = server::wait_until_serving(&mut client, args.redis_url.as_deref()).await?;
    server::wait_for_worker(&mut client).await;
    let cleanup = StreamCleanup::before(&mut client).await;
    let backend = backend_name(&info);
    for reel in &reels {
        reel.ready().await;
    }
    for stream in &streams {
        register(&mut client, stream).await?;
    }
    let tally = Arc::new(Tally::new(&streams, Duration::from_secs(args.seconds.into())));
    let outcome = flow(args, reels, address, &streams, &tally, stop).await;
    if args.redis_url.is_some() {
        cleanup.remove(&mut client, &streams).await;
    }
    Ok((tally, backend, outcome?))
}

async fn flow(
    args: &DemoArgs,
    reels: Vec<Reel>,
    address: &str,
    streams: &[String],
    tally: &Arc<Tally>,
    stop: &CancellationToken,
) -> Result<Duration, Failure> {
    let mut viewers = JoinSet::new();
    let (started, has_started) = oneshot::channel();
    let viewer = Client::connect(address).await?;
    viewers.spawn(viewer::watch(viewer, streams.to_vec(), Arc::clone(tally), started));
    // The first checkpoint fixes the start positions: frames from here on are all accounted for.
    let in_time = tokio::time::timeout(START_DEADLINE, has_started).await;
    if !matches!(in_time, Ok(Ok(()))) {
        viewer_failed(&mut viewers)?;
        return Err(Failure::Failed(anyhow!("the subscription did not start")));
    }

    let begin = Instant::now();
    let end = begin + Duration::from_secs(args.seconds.into());
    let mut cameras = JoinSet::new();
    for (index, (stream, reel)) in streams.iter().zip(reels).enumerate() {
        let connection = Client::connect(address).await?;
        let camera = Camera {
            stream: stream.clone(),
            period: Duration::from_secs(1) / args.fps,
            // The ticks of the cameras are spread over a period.
            offset: Duration::from_secs(1) / args.fps * index as u32 / args.cameras,
            client: connection,
            patience: CAMERA_PATIENCE,
        };
        cameras.spawn(camera.run(reel, end, stop.clone(), Arc::clone(tally)));
    }
    let bar = progress(args, begin, tally);
    let mut tick = interval(Duration::from_millis(200));
    let mut failed = None;
    loop {
        tokio::select! {
            ended = cameras.join_next() => match ended {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => failed = Some(failure),
                Some(Err(panic)) => failed = Some(Failure::Failed(panic.into())),
                None => break,
            },
            _ = tick.tick() => show(&bar, begin, tally),
        }
    }
    bar.set_message("waiting for the last frames");
    let all = tally.all_settled(DELIVERY_DEADLINE);
    tokio::select! {
        () = all => {}
        Some(ended) = viewers.join_next() => {
            failed = match ended {
                Ok(Ok(())) => Some(Failure::Failed(anyhow!("the subscription ended by itself"))),
                Ok(Err(failure)) => Some(failure),
                Err(panic) => Some(Failure::Failed(panic.into())),
            };
        }
    }
    let seconds = begin.elapsed();
    viewers.shutdown().await;
    bar.finish_and_clear();
    failed.map_or(Ok(seconds), Err)
}

fn viewer_failed(viewers: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    match viewers.try_join_next() {
        Some(Ok(Err(failure))) => Err(failure),
        Some(Ok(Ok(())) | Err(_)) | None => Ok(()),
    }
}

/// Returns the ids `cam-1`, `cam-2` and so on. In a shared Redis they have a unique prefix.
fn stream_ids(args: &DemoArgs) -> Vec<String> {
    let prefix = match args.redis_url {
        Some(_) => format!("demo-{:08x}-", rand::random::<u32>()),
        None => String::new(),
    };
    (1..=args.cameras).map(|number| format!("{prefix}cam-{number}")).collect()
}

async fn register(client: &mut Client, stream: &str) -> Result<(), Failure> {
    let retention = pb::RetentionPolicy { max_frames: Some(KEPT_FRAMES), ..Default::default() };
    let stream = pb::Stream {
        stream_id: stream.to_owned(),
        display_name: "frameway demo".to_owned(),
        retention: Some(retention),
        ..Default::default()
    };
    let answer = client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
    answer.map(|_| ()).map_err(|status| refused("registering the demo's streams", &status))
}

fn check_folder_of(file: &Path) -> Result<(), Failure> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if folder.is_dir() && !file.is_dir() {
        return Ok(());
    }
    Err(Failure::Usage(anyhow!("--sheet {}: name a file in an existing folder", file.display())))
}

fn progress(args: &DemoArgs, begin: Instant, tally: &Tally) -> ProgressBar {
    let target = if args.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(u64::from(args.seconds) * 10), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    show(&bar, begin, tally);
    bar
}

fn show(bar: &ProgressBar, begin: Instant, tally: &Tally) {
    bar.set_position(begin.elapsed().as_millis() as u64 / 100);
    bar.set_message(tally.line(begin.elapsed()));
}
