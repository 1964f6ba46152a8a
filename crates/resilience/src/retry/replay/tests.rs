use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use http_body_util::{Full, StreamBody};
use proptest::prelude::*;

use super::*;

/// A frame, or an error, or nothing yet.
#[derive(Clone, Debug)]
enum Step {
    Data(Vec<u8>),
    Fail,
    Wait,
}

fn body(
    steps: Vec<Step>,
    trailers: Option<HeaderMap>,
) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
    let mut steps = steps.into_iter();
    let mut trailers = trailers;
    StreamBody::new(futures_util::stream::poll_fn(move |cx| {
        Poll::Ready(match steps.next() {
            Some(Step::Data(bytes)) => Some(Ok(Frame::data(Bytes::from(bytes)))),
            Some(Step::Fail) => Some(Err(BoxError::from("the disk failed"))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }))
}

/// Reads up to `frames` frames: the data, the trailers, and whether the body ended well.
fn read<B>(body: &mut ReplayBody<B>, frames: usize) -> (Vec<u8>, Option<HeaderMap>, bool)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let (mut data, mut trailers) = (Vec::new(), None);
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = 0;
    while read < frames {
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                read += 1;
                match frame.into_data() {
                    Ok(bytes) => data.extend_from_slice(&bytes),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                }
            }
            Poll::Ready(Some(Err(_))) => return (data, trailers, false),
            Poll::Ready(None) => return (data, trailers, true),
        }
    }
    (data, trailers, true)
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", http::HeaderValue::from_static("abc"));
    trailers
}

const ALL: usize = usize::MAX;

#[test]
fn a_body_is_sent_again_with_its_trailers() {
    let steps = vec![Step::Data(b"one ".to_vec()), Step::Wait, Step::Data(b"two".to_vec())];
    let (mut first, replay) =
        ReplayBody::recorded(body(steps, Some(trailers())), 1_000).ok().unwrap();
    let whole = (b"one two".to_vec(), Some(trailers()), true);
    assert_eq!(read(&mut first, ALL), whole);
    assert!(replay.stop());
    let mut second = replay.body();
    assert!(!second.is_end_stream());
    assert_eq!(second.size_hint().exact(), Some(7));
    assert_eq!(read(&mut second, ALL), whole);
    assert!(second.is_end_stream());
}

#[test]
fn a_retry_reads_the_rest_that_the_first_attempt_left() {
    let steps = (0..5).map(|byte| Step::Data(vec![byte])).collect();
    let (mut first, replay) = ReplayBody::recorded(body(steps, None), 1_000).ok().unwrap();
    assert_eq!(read(&mut first, 2).0, [0, 1]);
    assert!(replay.stop());
    assert!(!read(&mut first, 1).2, "the first attempt must not take frames from the second");
    assert_eq!(read(&mut replay.body(), ALL), (vec![0, 1, 2, 3, 4], None, true));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client that waits for the rest would keep its connection for as long as the rest takes.
#[test]
fn an_attempt_that_waits_for_its_body_is_woken_when_it_is_stopped() {
    let never = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>());
    let (mut first, replay) = ReplayBody::recorded(never, 1_000).ok().unwrap();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut first).poll_frame(&mut cx).is_pending());
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    assert!(replay.stop());
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    let frame = Pin::new(&mut first).poll_frame(&mut cx);
    assert!(matches!(frame, Poll::Ready(Some(Err(_)))));
}

#[test]
fn a_body_over_the_limit_is_sent_once() {
    let long = Full::new(Bytes::from(vec![7; 101]));
    assert!(ReplayBody::recorded(long, 100).is_err(), "known at once");

    let steps = vec![Step::Data(vec![1; 60]), Step::Data(vec![2; 60]), Step::Data(vec![3; 10])];
    let (mut first, replay) = ReplayBody::recorded(body(steps, None), 100).ok().unwrap();
    let (data, _, ended) = read(&mut first, ALL);
    assert!(ended && data.len() == 130, "the attempt goes on: {} bytes", data.len());
    assert!(!replay.stop());
}

#[test]
fn many_small_frames_count_by_the_memory_they_take() {
    let steps = vec![Step::Data(vec![1]); 100];
    let (mut first, replay) = ReplayBody::recorded(body(steps, None), 1_000).ok().unwrap();
    assert_eq!(read(&mut first, ALL).0.len(), 100);
    assert!(!replay.stop(), "100 frames take more than 1,000 bytes");
}

#[test]
fn a_body_that_failed_is_not_sent_again() {
    let steps = vec![Step::Data(vec![1]), Step::Fail];
    let (mut first, replay) = ReplayBody::recorded(body(steps, None), 1_000).ok().unwrap();
    assert!(!read(&mut first, ALL).2);
    assert!(!replay.stop());
}

#[test]
fn an_empty_body_is_not_recorded() {
    let empty = http_body_util::Empty::<Bytes>::new();
    let (first, replay) = ReplayBody::recorded(empty, 100).unwrap();
    assert!(matches!(replay, Replay::Empty) && first.is_end_stream() && replay.stop());
    assert_eq!(replay.body().size_hint().exact(), Some(0));
    let _typed: ReplayBody<http_body_util::combinators::BoxBody<Bytes, Infallible>> =
        ReplayBody { kind: Kind::Empty };
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..50).prop_map(Step::Data),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 0..10)
}

proptest! {
    /// However far each attempt came, the last one reads what the body had.
    #[test]
    fn every_attempt_reads_the_same_body(
        steps in steps(),
        reads in proptest::collection::vec(0..12_usize, 0..4),
        with_trailers: bool,
    ) {
        let expected: Vec<u8> = steps
            .iter()
            .flat_map(|step| match step {
                Step::Data(bytes) => bytes.clone(),
                Step::Fail | Step::Wait => Vec::new(),
            })
            .collect();
        let trailers = with_trailers.then(trailers);
        let inner = body(steps, trailers.clone());
        let (mut attempt, replay) = ReplayBody::recorded(inner, 10_000).ok().unwrap();
        for frames in reads {
            let (data, _, _) = read(&mut attempt, frames);
            prop_assert!(expected.starts_with(&data));
            prop_assert!(replay.stop());
            attempt = replay.body();
        }
        prop_assert_eq!(read(&mut attempt, ALL), (expected, trailers, true));
        prop_assert!(attempt.is_end_stream());
    }

    /// A recording keeps at most `limit` bytes, for any frames.
    #[test]
    fn no_more_than_the_limit_is_kept(steps in steps(), limit in 0..200_usize) {
        let Ok((mut first, replay)) = ReplayBody::recorded(body(steps, None), limit) else {
            return Ok(());
        };
        let (data, _, _) = read(&mut first, ALL);
        let Replay::Recorded(shared) = &replay else { return Ok(()) };
        let kept: usize = lock(shared).frames.iter().map(Bytes::len).sum();
        prop_assert!(kept <= limit);
        prop_assert!(lock(shared).lost || kept == data.len());
    }
}
