use std::sync::LazyLock;

use super::*;

static CAM: LazyLock<StreamId> = LazyLock::new(|| "cam".parse().unwrap());

#[tokio::test]
async fn a_panic_costs_only_its_own_job() {
    let pool = Pool::new(1, &Limits::default(), Gauge::default()).unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(pool.run(&CAM, second, |_| -> u8 { panic!("on purpose") }).await, Err(JobError::Panicked));
    assert_eq!(pool.run(&CAM, second, |_| 7).await, Ok(7));
}

#[tokio::test]
async fn a_hung_job_does_not_block_the_next() {
    let pool = Pool::new(1, &Limits::default(), Gauge::default()).unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hung = pool.run(&CAM, Duration::from_millis(20), move |_| held.recv()).await;
    assert_eq!(hung, Err(JobError::TimedOut));
    assert_eq!(pool.run(&CAM, Duration::from_secs(5), |_| 7).await, Ok(7));
    drop(release);
}

/// Waits until the numbers of threads are as expected.
async fn until(pool: &Pool, is_so: impl FnMut(&ThreadCounts) -> bool) {
    let mut counts = pool.threads.counts.subscribe();
    let waited = tokio::time::timeout(Duration::from_secs(20), counts.wait_for(is_so)).await;
    assert!(waited.is_ok(), "{:?}", pool.threads.counts.borrow());
}

#[tokio::test]
async fn hung_threads_are_replaced_up_to_a_limit_and_can_return() {
    let pool = Pool::new(2, &Limits::default(), Gauge::default()).unwrap();
    let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
    let mut releases = Vec::new();
    for hung in 1..=MAX_REPLACED + 2 {
        let (release, held) = std::sync::mpsc::channel::<()>();
        releases.push(release);
        assert_eq!(pool.run(&CAM, brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
        let counts = *pool.threads.counts.borrow();
        assert_eq!(counts.hung, hung);
        assert_eq!(counts.usable, 2 - hung.saturating_sub(MAX_REPLACED));
        assert_eq!(pool.exhausted().is_cancelled(), hung >= MAX_REPLACED);
        if counts.usable > 0 {
            assert_eq!(pool.run(&CAM, long, |_| 7).await, Ok(7), "with {hung} hung");
        }
    }
    // No thread is left, and no caller waits for one.
    assert_eq!(pool.run(&CAM, long, |_| 7).await, Err(JobError::NoThreads));
    drop(releases.pop());
    until(&pool, |counts| counts.usable == 1).await;
    assert_eq!(pool.run(&CAM, long, |_| 8).await, Ok(8));
    drop(releases);
    until(&pool, |counts| (counts.usable, counts.hung) == (2, 0)).await;
    assert_eq!(pool.run(&CAM, long, |_| 9).await, Ok(9));
}

#[tokio::test]
async fn a_hung_job_is_found_even_if_its_caller_is_gone() {
    let pool = Pool::new(1, &Limits::default(), Gauge::default()).unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (started, start) = oneshot::channel();
    let hangs = pool.run(&CAM, Duration::from_millis(20), move |_| {
        let _ = started.send(());
        let _ = held.recv();
    });
    tokio::select! {
        biased;
        _ = start => {}
        ended = hangs => panic!("{ended:?}"),
    }
    let found = async {
        while pool.threads.counts.borrow().hung == 0 {
            pool.give_up_overdue();
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), found).await.is_ok());
    assert_eq!(pool.run(&CAM, Duration::from_secs(20), |_| 7).await, Ok(7));
    assert!(pool.abandoned().is_empty());
    drop(release);
}

#[tokio::test]
async fn waiting_callers_fail_when_no_thread_is_left() {
    let pool = Pool::new(1, &Limits::default(), Gauge::default()).unwrap();
    let (brief, long) = (Duration::from_millis(20), Duration::from_secs(20));
    let mut releases = Vec::new();
    for _ in 0..MAX_REPLACED {
        let (release, held) = std::sync::mpsc::channel::<()>();
        releases.push(release);
        assert_eq!(pool.run(&CAM, brief, move |_| held.recv().is_ok()).await, Err(JobError::TimedOut));
    }
    let (release, held) = std::sync::mpsc::channel::<()>();
    let last = pool.run(&CAM, brief, move |_| held.recv().is_ok());
    let (last, waiting) = tokio::join!(last, pool.run(&CAM, long, |_| 7));
    assert_eq!((last, waiting), (Err(JobError::TimedOut), Err(JobError::NoThreads)));
    drop((release, releases));
}

#[tokio::test]
async fn a_job_does_not_wait_for_all_those_of_another_stream() {
    let pool = Pool::new(1, &Limits::default(), Gauge::default()).unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (long, ran) = (Duration::from_secs(20), Arc::new(Mutex::new(Vec::new())));
    let (started, start) = oneshot::channel();
    let first = pool.run(&CAM, long, move |_| {
        let _ = started.send(());
        let _ = held.recv();
    });
    let run = async |stream: &str, number: u32| {
        let (stream, ran) = (stream.parse().unwrap(), Arc::clone(&ran));
        // The job itself notes it: its caller may be told after the jobs that follow have run.
        pool.run(&stream, long, move |_| ran.lock().push(number)).await.unwrap();
    };
    let rest = async {
        start.await.unwrap();
        let (flood, quiet) = ((1..=3).map(|number| run("cam", number)), run("quiet", 100));
        let release = async {
            while pool.threads.queue.len() < 4 {
                tokio::task::yield_now().await;
            }
            drop(release);
        };
        tokio::join!(futures::future::join_all(flood), quiet, release);
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first, Ok(()));
    assert_eq!(*ran.lock(), [100, 1, 2, 3]);
}
