//! The numbers: they are those of the load.

use std::fs;

use frameway::picture::{Codec, Limits};
use frameway::scene::Scene;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::{self, FRAMES};
use crate::redis::RedisServer;
use crate::sample::Scrape;
use crate::server::{Server, eventually};

/// Asserts that the samples of a name with these labels add up to a value.
fn assert_sum(scrape: &Scrape, name: &str, labels: &[(&str, &str)], expected: f64) {
    assert_eq!(scrape.sum(name, labels), Some(expected), "{name} {labels:?}");
}

/// Checks the samples after [`load::run`].
fn assert_load(scrape: &Scrape) {
    assert_sum(scrape, "frameway_frames_accepted_total", &[], FRAMES);
    assert_sum(scrape, "frameway_frames_rejected_total", &[("reason", "PICTURE_MISSING")], 1.0);
    assert_sum(scrape, "frameway_store_frames_total", &[("outcome", "accepted")], FRAMES);
    assert_sum(scrape, "frameway_worker_frames_total", &[("outcome", "processed")], FRAMES - 1.0);
    assert_sum(scrape, "frameway_worker_frames_total", &[("outcome", "failed")], 1.0);
    assert_sum(scrape, "frameway_worker_failures_total", &[("reason", "truncated")], 1.0);
    for stage in ["queue_wait", "fetch", "transcode", "analyze", "thumbnail"] {
        let count = scrape.sum("frameway_worker_stage_duration_seconds_count", &[("stage", stage)]);
        assert!(count.is_some_and(|count| count >= 1.0), "{stage}: {count:?}");
    }
    assert_sum(scrape, "frameway_worker_leases_held", &[], 32.0);
    assert_sum(scrape, "frameway_queue_unleased_partitions", &[], 0.0);
    assert_sum(scrape, "frameway_queue_partitions", &[("state", "running")], 32.0);
    assert_sum(scrape, "frameway_queue_frames", &[], 0.0);
    assert_sum(scrape, "frameway_pictures_input_total", &[("format", "jpeg")], FRAMES - 1.0);
    // Each subscription got seven frames and the gap of the broken one; the member got four frames.
    assert_sum(scrape, "frameway_frames_delivered_total", &[], 18.0);
    assert!(
        scrape.sum("frameway_hub_renditions_total", &[("result", "made")]).is_some_and(|made| made >= 1.0)
    );
    let method = ("method", "frameway.v1.StreamingService/SubscribeFrames");
    assert!(scrape.sum("frameway_rpc_requests_total", &[method]).is_some_and(|calls| calls >= 2.0));
    assert_sum(scrape, "frameway_rpc_in_flight", &[method], 0.0);
    let method = ("method", "frameway.v1.StreamRegistryService/RegisterStream");
    assert_sum(scrape, "frameway_rpc_requests_total", &[method, ("code", "OK")], 1.0);
    assert_sum(scrape, "frameway_group_dead_letters_total", &[("group", "site")], 0.0);
    assert_sum(scrape, "frameway_groups", &[], 1.0);
    let acknowledged = scrape.sum("frameway_group_answers_total", &[("answer", "acknowledge")]);
    assert!(acknowledged.is_some_and(|count| count >= 3.0), "{acknowledged:?}");
    assert_sum(scrape, "frameway_store_up", &[], 1.0);
    for some in
        ["process_resident_memory_bytes", "process_open_descriptors", "process_threads", "process_tasks"]
    {
        let value = scrape.sum(&format!("frameway_{some}"), &[]);
        assert!(value.is_some_and(|value| value > 0.0), "{some}: {value:?}");
    }
    assert_sum(scrape, "frameway_scrape_errors_total", &[("part", "queues")], 0.0);
}

fn is_done(scrape: &Scrape) -> bool {
    let processed = scrape.sum("frameway_worker_frames_total", &[("outcome", "processed")]);
    let lag = scrape.sum("frameway_group_members", &[("group", "site")]);
    processed == Some(FRAMES - 1.0)
        && lag == Some(0.0)
        && scrape.sum("frameway_store_frames_total", &[("outcome", "accepted")]) == Some(FRAMES)
}

#[test]
fn a_load_on_the_embedded_queue_is_counted() {
    let server = Server::start(&[]);
    load::run(&server);
    let scrape = server.scrape_until("the load is in the metrics", is_done);
    assert_load(&scrape);
    assert!(scrape.sum("frameway_worker_frames_total", &[("process", "server")]).is_some());
    assert!(scrape.sum("frameway_redis_connects_total", &[]).is_none(), "there is no Redis");
    assert!(scrape.sum("frameway_stream_accepted_total", &[]).is_none(), "streams are no label by default");
}

#[test]
fn the_worker_process_is_in_the_metrics_of_its_server_and_absent_while_it_is_away() {
    let redis = RedisServer::start();
    let server = Server::start(&["--redis-url", &redis.url(), "--metrics-per-stream", "1"]);
    load::run(&server);
    let scrape = server.scrape_until("the load is in the metrics", is_done);
    assert_load(&scrape);
    let worker = ("process", "worker");
    assert_sum(&scrape, "frameway_worker_frames_total", &[worker, ("outcome", "processed")], FRAMES - 1.0);
    assert_eq!(scrape.sum("frameway_worker_frames_total", &[("process", "server")]), None);
    assert_sum(&scrape, "frameway_stream_accepted_total", &[("stream", "cam")], FRAMES);
    let calls = |operation: &str| {
        let name = "frameway_redis_request_duration_seconds_count";
        scrape.sum(name, &[("operation", operation)]).unwrap_or_default()
    };
    assert!(calls("accept") > 0.0 && calls("finish") > 0.0 && calls("control") > 0.0);

    let started = server.logged("worker started");
    let pid = started[0]["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it runs");
    let absent = server.scrape_until("its samples are absent", |scrape| {
        scrape.sum("frameway_worker_leases_held", &[]).is_none()
    });
    assert!(absent.sum("frameway_frames_accepted_total", &[]).is_some());
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    let back = server.scrape_until("the next one is there", |scrape| {
        scrape.sum("frameway_worker_frames_total", &[("outcome", "processed")]) == Some(0.0)
    });
    assert!(
        back.sum("frameway_scrape_errors_total", &[("part", "worker")]).is_some_and(|errors| errors > 0.0)
    );
}

/// Browsers and plain HTTP clients call the same methods.
#[test]
fn grpc_web_and_posted_frames_are_counted_as_their_methods() {
    let server = Server::start(&["--auto-register"]);
    let picture = {
        let mut codec = Codec::new(Limits::default());
        Scene::new(7, 320, 180).jpeg(&mut codec, 1, 92).expect("a scene can be drawn").0
    };
    let posted = server.http("POST /v1/streams/cam/frames", "image/jpeg", &picture);
    assert!(posted.starts_with("HTTP/1.1 202 "), "{posted}");
    let web =
        server.http("POST /frameway.v1.StreamingService/GetServerInfo", "application/grpc-web", &[0; 5]);
    assert!(web.starts_with("HTTP/1.1 200 "), "{web}");
    let refused = server.http("POST /v1/streams/cam/frames", "text/plain", b"x");
    assert!(refused.starts_with("HTTP/1.1 415 "), "{refused}");
    let submit = ("method", "frameway.v1.StreamingService/SubmitFrameBatch");
    let info = ("method", "frameway.v1.StreamingService/GetServerInfo");
    let scrape = server.scrape_until("the calls have ended", |scrape| {
        scrape.sum("frameway_rpc_requests_total", &[submit]) == Some(2.0)
            && scrape.sum("frameway_rpc_requests_total", &[info]) == Some(1.0)
    });
    assert_sum(&scrape, "frameway_rpc_requests_total", &[submit, ("code", "OK")], 1.0);
    assert_sum(&scrape, "frameway_rpc_requests_total", &[info, ("code", "OK")], 1.0);
    assert_sum(&scrape, "frameway_frames_accepted_total", &[], 1.0);
}

#[test]
fn a_server_that_is_killed_leaves_no_folder_of_its_worker() {
    let redis = RedisServer::start();
    let mut server = Server::start(&["--redis-url", &redis.url()]);
    server.scrape_until("the worker serves metrics", |scrape| {
        scrape.sum("frameway_worker_leases_held", &[]).is_some()
    });
    let temporary = server.temporary();
    let folders = || fs::read_dir(&temporary).expect("a folder").count();
    assert_eq!(folders(), 1);
    server.kill();
    eventually("the worker removes the folder", || (folders() == 0).then_some(()));
}

#[test]
fn a_store_that_is_away_is_absent_and_said_so() {
    let redis = RedisServer::start();
    let server = Server::start(&["--redis-url", &redis.url()]);
    assert_sum(&server.scrape(), "frameway_store_up", &[], 1.0);
    drop(redis);
    let scrape =
        server.scrape_until("the store is away", |scrape| scrape.sum("frameway_store_up", &[]) == Some(0.0));
    assert_eq!(scrape.sum("frameway_queue_frames", &[]), None);
    assert_eq!(scrape.sum("frameway_store_used_bytes", &[]), None);
    for part in ["store", "queues", "groups"] {
        let errors = scrape.sum("frameway_scrape_errors_total", &[("part", part)]);
        assert!(errors.is_some_and(|errors| errors > 0.0), "{part}: {errors:?}");
    }
    let unreachable = scrape.sum("frameway_redis_errors_total", &[("kind", "unreachable")]);
    assert!(unreachable.is_some_and(|errors| errors > 0.0), "{unreachable:?}");
}

#[test]
fn a_worker_that_runs_alone_serves_its_own_metrics() {
    let redis = RedisServer::start();
    let api = Server::start(&["--role", "api", "--redis-url", &redis.url()]);
    let worker = Server::spawn(&["--role", "worker", "--redis-url", &redis.url()]);
    load::run(&api);
    let scrape = worker.scrape_until("the load is in the metrics", |scrape| {
        scrape.sum("frameway_worker_frames_total", &[("outcome", "processed")]) == Some(FRAMES - 1.0)
    });
    assert!(scrape.sum("frameway_worker_frames_total", &[("process", "worker")]).is_some());
    assert!(scrape.families.keys().all(|name| !name.starts_with("frameway_rpc_")));
    assert!(api.scrape().sum("frameway_worker_frames_total", &[]).is_none());
}
