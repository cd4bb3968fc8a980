//! Reading ahead: the next piece of a table, while the one before is worked on.

use std::io;
use std::sync::mpsc;
use std::thread;

/// What `items` gives, taken on a thread of its own, which stays one item ahead; usually the
/// [pieces](crate::TablePieces) of a table.
///
/// The thread ends behind the last item, or when the result is dropped; where it waits for input
/// then, as of a pipe, it ends with the program.
///
/// # Errors
/// If the system starts no thread.
pub fn read_ahead<I>(items: I) -> io::Result<impl Iterator<Item = I::Item>>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
{
    // Of no capacity: while an item is worked on, the next one waits on the thread.
    let (sender, receiver) = mpsc::sync_channel(0);
    let read = move || {
        for item in items {
            if sender.send(item).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().spawn(read)?;
    Ok(receiver.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_items_come_in_their_order() {
        assert!(read_ahead(0..1000).unwrap().eq(0..1000));
        assert_eq!(read_ahead(std::iter::empty::<u8>()).unwrap().next(), None);
    }

    #[test]
    fn it_is_never_more_than_one_item_ahead() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = taken.clone();
        let items = (0..100).inspect(move |_| _ = counted.fetch_add(1, Ordering::SeqCst));
        for (i, item) in read_ahead(items).unwrap().enumerate() {
            assert_eq!(item, i);
            assert!(taken.load(Ordering::SeqCst) <= i + 2, "{item}");
        }
    }
}
