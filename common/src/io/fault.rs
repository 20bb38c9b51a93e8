//! What is left to do for a program that panics: to say so, and to end with a code.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

/// Lets `tell` say, in one line, where and why a thread of this process panics; nothing else
/// does. It may be told of several: some are caught.
pub fn tell_with(tell: impl Fn(&str) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panic| tell(&describe(panic))));
}

/// What `body` gives, or nothing if it panicked. What it owned is dropped then, keys too.
pub fn caught<T>(body: impl FnOnce() -> T) -> Option<T> {
    // What it borrowed is not looked at again: the program ends.
    panic::catch_unwind(AssertUnwindSafe(body)).ok()
}

/// Ends this thread as well, for another one that panicked: of that was told already.
pub fn pass_on() -> ! {
    panic::resume_unwind(Box::new(()))
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let why = reason(panic.payload());
    match panic.location() {
        Some(place) => format!("{why} ({place})"),
        None => why,
    }
}

/// A panic's own text, in one line.
fn reason(payload: &(dyn Any + Send)) -> String {
    let text = match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<String>().map_or("", String::as_str),
    };
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_whatever_it_was() {
        assert_eq!(reason(&"a text"), "a text");
        assert_eq!(
            reason(&"left: 1\n right: 2\r\n".to_owned()),
            "left: 1 right: 2"
        );
        assert_eq!(reason(&7), "");
    }

    #[test]
    fn what_panics_gives_nothing_and_loses_what_it_owned() {
        let owned = std::sync::Arc::new(());
        let copy = owned.clone();
        let ended: Option<()> = caught(move || {
            let _owned = copy;
            pass_on();
        });
        assert_eq!(ended, None);
        assert_eq!(std::sync::Arc::strong_count(&owned), 1);
        assert_eq!(caught(|| 7), Some(7));
    }
}
