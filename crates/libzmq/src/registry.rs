//! Handles: addresses that stay ours, so that a closed or foreign one is told and not followed.
//!
//! A handle points to a slot whose first word says what it is. Slots are never given back to the allocator; a slot that was
//! closed is used again only after [`QUARANTINE`] others were closed. So a call on a closed handle finds the tag of a
//! closed slot, and a value that another thread still uses by mistake outlives its closing.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many closed slots of a kind rest before the oldest of them is used again.
const QUARANTINE: usize = 32;

const DEAD: u32 = 0xDEAD_BEEF;

/// What a handle points to.
#[repr(C)]
pub(crate) struct Slot<T> {
    tag: AtomicU32,
    value: UnsafeCell<Option<T>>,
}

/// All handles of one kind.
pub(crate) struct Registry<T: 'static> {
    tag: u32,
    resting: Mutex<VecDeque<&'static Slot<T>>>,
}

// SAFETY: a slot's value is shared only while its tag is the registry's (then by `&T`, hence `T: Sync`), and replaced only
// after the slot has come out of the quarantine, under the registry's lock; values are dropped on whatever thread makes
// the next one, hence `T: Send`.
unsafe impl<T: Send + Sync> Sync for Registry<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Registry<T> {}

impl<T: Send + Sync> Registry<T> {
    /// Makes a registry; `tag` must differ from that of every other kind of handle.
    pub(crate) const fn new(tag: u32) -> Self {
        Self { tag, resting: Mutex::new(VecDeque::new()) }
    }

    /// Gives a value its handle.
    pub(crate) fn insert(&self, value: T) -> *mut c_void {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = if resting.len() > QUARANTINE { resting.pop_front() } else { None };
        drop(resting);
        let slot = slot.unwrap_or_else(|| {
            Box::leak(Box::new(Slot { tag: AtomicU32::new(DEAD), value: UnsafeCell::new(None) }))
        });
        // SAFETY: the slot is new, or was closed long ago and taken out of the queue by us alone: nobody uses its value.
        let old = unsafe { (*slot.value.get()).replace(value) };
        slot.tag.store(self.tag, Ordering::Release);
        drop(old);
        std::ptr::from_ref(slot).cast_mut().cast()
    }

    /// Returns what a handle stands for; `None` when it is null, of another kind, or closed.
    ///
    /// # Safety
    ///
    /// `handle` is null or points to at least four readable bytes (any of our handles does, closed or not).
    #[inline]
    pub(crate) unsafe fn get(&self, handle: *const c_void) -> Option<&'static T> {
        let slot = handle.cast::<Slot<T>>();
        if slot.is_null() || !slot.is_aligned() {
            return None;
        }
        // SAFETY: the caller vouches for four bytes; the tag comes first and is an atomic wherever it is one of ours.
        let tag = unsafe { (*slot.cast::<AtomicU32>()).load(Ordering::Acquire) };
        if tag != self.tag {
            return None;
        }
        // SAFETY: the tag says that this is a slot of ours, alive when we looked; its value is not touched before the slot
        // leaves the quarantine, and slots are never freed.
        unsafe { (*(*slot).value.get()).as_ref() }
    }

    /// Closes a handle: of several calls one gets the value, which stays in place until the slot is used again.
    ///
    /// # Safety
    ///
    /// As [`get`](Self::get).
    pub(crate) unsafe fn retire(&'static self, handle: *const c_void) -> Option<Retired<T>> {
        // SAFETY: the caller's promise.
        unsafe { self.get(handle) }?;
        // SAFETY: `get` has found a slot of ours.
        let slot: &'static Slot<T> = unsafe { &*handle.cast::<Slot<T>>() };
        slot.tag.compare_exchange(self.tag, DEAD, Ordering::AcqRel, Ordering::Acquire).ok()?;
        Some(Retired { slot, registry: self })
    }
}

/// What was closed, for the one who closes it: its slot begins to rest when this is dropped.
pub(crate) struct Retired<T: Send + Sync + 'static> {
    slot: &'static Slot<T>,
    registry: &'static Registry<T>,
}

impl<T: Send + Sync> Retired<T> {
    /// Returns the value.
    pub(crate) fn value(&self) -> Option<&T> {
        // SAFETY: the slot is not in the queue yet, so nobody replaces its value as long as `self` is borrowed.
        unsafe { (*self.slot.value.get()).as_ref() }
    }
}

impl<T: Send + Sync> Drop for Retired<T> {
    fn drop(&mut self) {
        self.registry.resting.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Registry<u64> = Registry::new(0x1234_5678);
    static TEXTS: Registry<String> = Registry::new(0x8765_4321);

    #[test]
    fn closed_foreign_and_null_handles_are_told() {
        let seven = NUMBERS.insert(7);
        let text = TEXTS.insert("seven".to_owned());
        // SAFETY: null, or handles of ours.
        unsafe {
            assert_eq!(NUMBERS.get(seven), Some(&7));
            assert_eq!(TEXTS.get(text).map(String::as_str), Some("seven"));
            assert_eq!(NUMBERS.get(text), None);
            assert_eq!(NUMBERS.get(std::ptr::null()), None);
            assert_eq!(NUMBERS.get(seven.byte_add(1)), None);
            assert_eq!(NUMBERS.retire(seven).as_ref().and_then(Retired::value), Some(&7));
            assert!(NUMBERS.retire(seven).is_none());
            assert_eq!(NUMBERS.get(seven), None);
        }
    }

    #[test]
    fn a_closed_handle_stays_closed_for_a_while() {
        static OWN: Registry<usize> = Registry::new(0x0BAD_CAFE);
        let first = OWN.insert(0);
        // SAFETY: handles of ours.
        unsafe {
            OWN.retire(first);
            for number in 1..=QUARANTINE {
                let next = OWN.insert(number);
                assert_ne!(next, first);
                assert_eq!(OWN.get(first), None);
                OWN.retire(next);
            }
            assert_eq!(OWN.insert(99), first, "then its place is used again");
        }
    }
}
