//! Encoded records that wait for the exporter.
//!
//! Each thread appends to one of several lanes, so that no lock is shared by all requests. The
//! exporter takes the content of all lanes at once. A record's bytes are reserved before it enters a
//! lane and released when its fate is known, so that records that wait and records that are being
//! sent never exceed the limit together.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    counts::{Counts, DropReason, Totals},
    wire,
};

/// More lanes than a typical service has worker threads.
const LANES: usize = 16;

/// The size of a chunk of a lane. Records are copied into it once, and the allocator gives the memory
/// of chunks that were sent to later ones, where one buffer that grows would be copied and faulted in
/// anew each time.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Queue {
    lanes: [Mutex<Lane>; LANES],
    bytes: AtomicUsize,
    limit: usize,
    /// The exporter is woken when this many bytes wait.
    batch: usize,
    counts: Counts,
    enough: Notify,
}

#[derive(Debug, Default)]
struct Lane {
    /// Chunks that have no room left.
    full: Vec<Bytes>,
    records: Vec<u8>,
    /// How many records entered this lane.
    entered: u64,
    /// The exporter has taken its last records.
    closed: bool,
}

impl Lane {
    fn append(&mut self, record: &[u8]) {
        if self.records.capacity() - self.records.len() < record.len() {
            let next = Vec::with_capacity(CHUNK.max(record.len()));
            let full = mem::replace(&mut self.records, next);
            if !full.is_empty() {
                self.full.push(full.into());
            }
        }
        self.records.extend_from_slice(record);
    }
}

impl Queue {
    /// A queue of at most `limit` bytes, whose batches have at most `batch` bytes.
    pub(super) fn new(limit: usize, batch: usize) -> Arc<Self> {
        Arc::new(Self {
            lanes: Default::default(),
            bytes: AtomicUsize::new(0),
            limit,
            batch: batch.min(limit),
            counts: Counts::default(),
            enough: Notify::new(),
        })
    }

    /// Appends a record, or counts it as dropped.
    pub(super) fn push(&self, record: &[u8]) {
        let len = record.len();
        if len > self.batch {
            return self.counts.dropped(DropReason::TooLarge, 1);
        }
        // Reserved first and released if it exceeds the limit, so that concurrent pushes never
        // exceed the limit together.
        let before = self.bytes.fetch_add(len, Ordering::Relaxed);
        if before + len > self.limit {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            return self.counts.dropped(DropReason::QueueFull, 1);
        }
        let mut lane = self.own_lane();
        lane.entered += 1;
        if lane.closed {
            drop(lane);
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            return self.counts.dropped(DropReason::Shutdown, 1);
        }
        lane.append(record);
        drop(lane);
        if before < self.batch && before + len >= self.batch {
            self.enough.notify_one();
        }
    }

    /// Waits until a batch's worth of bytes waits.
    pub(super) async fn enough(&self) {
        if !self.has_batch() {
            self.enough.notified().await;
        }
    }

    /// Whether a batch's worth of bytes waits.
    pub(super) fn has_batch(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.batch
    }

    /// Takes all records that wait. With `last`, later records are dropped and counted.
    pub(super) fn take(self: &Arc<Self>, last: bool) -> Taken {
        let mut taken = Taken { queue: Arc::clone(self), chunks: VecDeque::new() };
        for lane in &self.lanes {
            let mut lane = lock(lane);
            lane.closed |= last;
            taken.chunks.extend(mem::take(&mut lane.full));
            if !lane.records.is_empty() {
                taken.chunks.push_back(mem::take(&mut lane.records).into());
            }
        }
        taken
    }

    /// Admits records that are sent at once, even if others wait.
    pub(super) fn admit(self: &Arc<Self>, records: Bytes, count: u64) -> Batch {
        let [first, ..] = &self.lanes;
        lock(first).entered += count;
        self.bytes.fetch_add(records.len(), Ordering::Relaxed);
        Batch { queue: Arc::clone(self), records: vec![records], count }
    }

    pub(crate) fn totals(&self) -> Totals {
        let entered: u64 = self.lanes.iter().map(|lane| lock(lane).entered).sum();
        let mut totals = self.counts.totals();
        let reasons = [DropReason::QueueFull, DropReason::TooLarge];
        totals.recorded =
            entered + reasons.map(|reason| totals.dropped_for(reason)).iter().sum::<u64>();
        totals.queued_bytes = self.bytes.load(Ordering::Relaxed);
        totals
    }

    fn own_lane(&self) -> MutexGuard<'_, Lane> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
        }
        let [first, ..] = &self.lanes;
        let lane = LANE.try_with(|lane| self.lanes.get(*lane)).ok().flatten().unwrap_or(first);
        lock(lane)
    }
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records that were taken from the queue. Dropping it counts the rest as lost by the shutdown.
#[derive(Debug)]
pub(super) struct Taken {
    queue: Arc<Queue>,
    chunks: VecDeque<Bytes>,
}

impl Taken {
    /// Returns the next records, together at most a batch.
    pub(super) fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch { queue: Arc::clone(&self.queue), records: Vec::new(), count: 0 };
        let mut room = self.queue.batch;
        while let Some(chunk) = self.chunks.front_mut() {
            let (end, count) = wire::whole_fields(chunk, room);
            // The first record of a chunk is taken even if it is too large; it is not if others fit.
            if end > room && batch.count > 0 {
                break;
            }
            // A chunk holds whole records only. Even if it did not, this would come to an end.
            let records = chunk.split_to(if end == 0 { chunk.len() } else { end });
            room = room.saturating_sub(records.len());
            batch.records.push(records);
            batch.count += count;
            if !chunk.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
        (batch.count > 0).then_some(batch)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}

/// Records that are sent together. They count as dropped by the shutdown unless they are settled.
#[derive(Debug)]
pub(super) struct Batch {
    queue: Arc<Queue>,
    pub(super) records: Vec<Bytes>,
    pub(super) count: u64,
}

impl Batch {
    /// The bytes of its records.
    pub(super) fn len(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }

    /// Counts the records as sent, except for those that the collector rejected.
    pub(super) fn sent(mut self, rejected: u64) {
        let rejected = rejected.min(self.count);
        self.queue.counts.sent(self.count - rejected);
        self.queue.counts.dropped(DropReason::Rejected, rejected);
        self.count = 0;
    }

    /// Counts the records as dropped.
    pub(super) fn dropped(mut self, reason: DropReason) {
        self.queue.counts.dropped(reason, self.count);
        self.count = 0;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if self.count > 0 {
            self.queue.counts.dropped(DropReason::Shutdown, self.count);
        }
        self.queue.bytes.fetch_sub(self.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Vec<u8> {
        let mut record = Vec::new();
        wire::bytes(&mut record, 2, &vec![0; len - 2]);
        record
    }

    fn drain(queue: &Arc<Queue>, last: bool) -> Vec<(usize, u64)> {
        let mut taken = queue.take(last);
        std::iter::from_fn(|| {
            let batch = taken.next()?;
            let sizes = (batch.len(), batch.count);
            batch.sent(0);
            Some(sizes)
        })
        .collect()
    }

    #[test]
    fn records_that_do_not_fit_are_counted_and_the_others_are_cut_into_batches() {
        let queue = Queue::new(100, 40);
        for _ in 0..6 {
            queue.push(&record(20));
        }
        queue.push(&record(41));
        let totals = queue.totals();
        assert_eq!((totals.recorded, totals.queued_bytes, totals.dropped()), (7, 100, 2));
        assert_eq!(totals.dropped_for(DropReason::QueueFull), 1);
        assert_eq!(totals.dropped_for(DropReason::TooLarge), 1);
        assert_eq!(drain(&queue, false), [(40, 2), (40, 2), (20, 1)]);
        let totals = queue.totals();
        assert_eq!((totals.sent, totals.queued_bytes), (5, 0));
    }

    #[test]
    fn bytes_are_held_until_the_fate_of_the_batch_is_known() {
        let queue = Queue::new(40, 40);
        queue.push(&record(40));
        let mut taken = queue.take(false);
        let batch = taken.next().unwrap();
        queue.push(&record(20));
        assert_eq!(queue.totals().dropped_for(DropReason::QueueFull), 1, "it is still being sent");
        batch.dropped(DropReason::Expired);
        queue.push(&record(20));
        assert_eq!(queue.totals().dropped_for(DropReason::Expired), 1);
        assert_eq!(queue.totals().queued_bytes, 20);
    }

    #[test]
    fn what_is_not_settled_and_what_comes_late_was_lost_by_the_shutdown() {
        let queue = Queue::new(1000, 40);
        for _ in 0..5 {
            queue.push(&record(20));
        }
        let mut taken = queue.take(true);
        drop(taken.next());
        queue.push(&record(20));
        drop(taken);
        let totals = queue.totals();
        assert_eq!(totals.dropped_for(DropReason::Shutdown), 6);
        assert_eq!((totals.sent, totals.queued_bytes), (0, 0));
    }

    #[test]
    fn a_collector_that_rejects_more_than_it_got_rejected_all() {
        let queue = Queue::new(100, 100);
        queue.push(&record(20));
        queue.take(false).next().unwrap().sent(9);
        assert_eq!(queue.totals().dropped_for(DropReason::Rejected), 1);
    }

    #[test]
    fn records_of_many_threads_are_all_counted() {
        let queue = Queue::new(1 << 20, 1 << 16);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| queue.push(&record(50))));
            }
            for _ in 0..100 {
                drain(&queue, false);
            }
        });
        drain(&queue, true);
        let totals = queue.totals();
        assert_eq!((totals.recorded, totals.sent + totals.dropped()), (4000, 4000));
    }
}
