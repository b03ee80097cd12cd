//! Things that several trials of one major use together: made once, by whoever comes first.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::{Outcome, Stop};

type Slot = Arc<OnceLock<Result<Arc<dyn Any + Send + Sync>, Stop>>>;

static SLOTS: Mutex<Option<HashMap<(u32, &'static str), Slot>>> = Mutex::new(None);

/// The shared value of this name and major; a failure to make it fails (or skips) all its users alike.
pub fn shared<T, F>(major: u32, name: &'static str, make: F) -> Outcome<Arc<T>>
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Outcome<T>,
{
    let slot = {
        let mut slots = SLOTS.lock().unwrap_or_else(|e| e.into_inner());
        slots.get_or_insert_default().entry((major, name)).or_default().clone()
    };
    let made = slot.get_or_init(|| make().map(|value| Arc::new(value) as Arc<dyn Any + Send + Sync>));
    let value = made.clone()?;
    Ok(value.downcast::<T>().unwrap_or_else(|_| panic!("two types are shared under the name {name}")))
}

/// Lets go of everything; servers stop with their last user.
pub fn release() {
    SLOTS.lock().unwrap_or_else(|e| e.into_inner()).take();
}
