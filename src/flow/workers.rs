//! A handful of threads that each take the next item until all is done or one of them has failed.

use std::sync::{Mutex, MutexGuard};

use super::caught::{Panicked, caught};

struct Queue<I, E> {
    items: I,
    /// The first; nothing is taken after it.
    error: Option<E>,
}

/// Calls `work` with every item, `jobs` at a time. What has begun when one fails is brought to its end.
pub fn each<T, E: From<Panicked> + Send>(
    jobs: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    each_with(jobs, items, || Ok(()), |(), item| work(item), || {})
}

/// The same, where every thread has something of its own that is begun before its first item. `failed` is called when the
/// first failure is known, so that what others have begun can be cut off without being taken for the cause.
pub fn each_with<T, S, E: From<Panicked> + Send>(
    jobs: usize,
    items: impl Iterator<Item = T> + Send,
    begin: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, T) -> Result<(), E> + Sync,
    failed: impl Fn() + Sync,
) -> Result<(), E> {
    let queue = Mutex::new(Queue { items, error: None });
    let take = || {
        let mut queue = locked(&queue);
        if queue.error.is_none() { queue.items.next() } else { None }
    };
    let fail = |error| {
        locked(&queue).error.get_or_insert(error);
        failed();
    };
    let run = || match caught(&begin) {
        Err(error) => fail(error),
        Ok(mut own) => {
            while let Some(item) = take() {
                caught(|| work(&mut own, item)).unwrap_or_else(fail);
            }
        }
    };
    std::thread::scope(|scope| (0..jobs.max(1)).for_each(|_| drop(scope.spawn(run))));
    queue.into_inner().unwrap_or_else(|e| e.into_inner()).error.map_or(Ok(()), Err)
}

/// Workers run behind everybody else, so that all cores may be used beside a live server.
const NICE: i32 = 10;

/// Of the thread that calls. Without the right to, it goes on at normal priority.
pub fn lower_priority() {
    let _ = rustix::process::nice(NICE);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Failure {
        At(u32),
        Panicked,
    }

    impl From<Panicked> for Failure {
        fn from(_: Panicked) -> Failure {
            Failure::Panicked
        }
    }

    #[test]
    fn every_item_is_taken_once() {
        let sum = AtomicU32::new(0);
        let done: Result<(), Failure> = each(3, 1..=100, |item| {
            sum.fetch_add(item, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!((done, sum.into_inner()), (Ok(()), 5050));
    }

    #[test]
    fn nothing_is_taken_after_a_failure() {
        let taken = AtomicU32::new(0);
        let failed = each(1, 1.., |item| {
            taken.fetch_add(1, Ordering::Relaxed);
            if item == 3 { Err(Failure::At(item)) } else { Ok(()) }
        });
        assert_eq!((failed, taken.into_inner()), (Err(Failure::At(3)), 3));
    }

    #[test]
    fn what_is_cut_off_is_not_the_cause() {
        let is_cut_off = std::sync::atomic::AtomicBool::new(false);
        let work = |own: &mut u32, item: u32| {
            *own += 1;
            while item == 2 && !is_cut_off.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            Err(Failure::At(item))
        };
        let failed = each_with(2, [1, 2].into_iter(), || Ok(0), work, || is_cut_off.store(true, Ordering::Release));
        assert_eq!(failed, Err(Failure::At(1)));
        let never = each_with(2, 1.., || Err::<(), _>(Failure::At(0)), |(), _| Ok(()), || {});
        assert_eq!(never, Err(Failure::At(0)));
    }

    #[test]
    fn a_panic_is_a_failure() {
        let failed = each(2, 1.., |item| if item == 3 { panic!("item {item}") } else { Ok(()) });
        assert_eq!(failed, Err(Failure::Panicked));
    }
}
