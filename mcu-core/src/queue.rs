//! Bounded, named, counted queues: the only way that threads hand each other media.
//!
//! Every queue of the node is created in `mcu-server/src/node.rs` or beside the peer it serves; each has a name
//! for its counter. Pushing never blocks: a full queue hands the value back and counts it.

use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Inner<T> {
    name: &'static str,
    items: ArrayQueue<T>,
    dropped: AtomicU64,
}

/// One end of a bounded queue; both ends are the same, cloning shares it.
pub struct Queue<T>(Arc<Inner<T>>);

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({}, {}/{})", self.0.name, self.len(), self.capacity())
    }
}

impl<T> Queue<T> {
    /// A queue of at most `capacity` items. Allocates them all now.
    pub fn new(name: &'static str, capacity: usize) -> Self {
        Self(Arc::new(Inner { name, items: ArrayQueue::new(capacity.max(1)), dropped: AtomicU64::new(0) }))
    }

    /// Appends `item`.
    ///
    /// # Errors
    /// Hands `item` back, and counts it as dropped, when the queue is full.
    pub fn push(&self, item: T) -> Result<(), T> {
        self.0.items.push(item).inspect_err(|_| {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Appends `item`; when full, the oldest makes room and is counted as dropped.
    pub fn push_newest(&self, item: T) {
        if self.0.items.force_push(item).is_some() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the oldest item.
    pub fn pop(&self) -> Option<T> {
        self.0.items.pop()
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.0.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.items.is_empty()
    }

    /// Items that fit.
    pub fn capacity(&self) -> usize {
        self.0.items.capacity()
    }

    /// The name, for its counter.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Items dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_hands_back_and_counts() {
        let queue = Queue::new("test", 2);
        assert_eq!((queue.push(1), queue.push(2), queue.push(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!((queue.dropped(), queue.len()), (1, 2));
        queue.push_newest(4);
        assert_eq!((queue.pop(), queue.pop(), queue.pop(), queue.dropped()), (Some(2), Some(4), None, 2));
    }
}
