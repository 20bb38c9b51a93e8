//! What `up` says, and where.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::words::State;

/// How long whoever speaks waits for what was said to be out, if nothing stops it: then what
/// the worker shows on the terminal, or a log line, comes after it.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long the last words may take.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Most lines that wait for somebody to read them.
const ROOM: usize = 256;

/// How `up` speaks: people's text on stderr, or one event a line in JSON on stdout.
///
/// A thread writes it: a reader that does not read, or a terminal that a Ctrl-S has stopped,
/// keeps nobody else from what they do. It starts with the first word.
pub(crate) struct Voice {
    json: bool,
    stream: Mutex<Option<Box<dyn Write + Send>>>,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: VecDeque<String>,
    /// Whether one more is being written.
    writing: bool,
    /// How many found no room.
    left_out: u64,
}

impl Lines {
    fn is_out(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }
}

impl Queue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything is written, but not for long.
    fn flush(&self, patience: Duration) {
        let is_waiting = |lines: &mut Lines| !lines.is_out();
        let _ = self
            .changed
            .wait_timeout_while(self.lines(), patience, is_waiting);
    }

    fn write_to(&self, mut stream: impl Write) {
        loop {
            let mut lines = self.lines();
            lines.writing = false;
            self.changed.notify_all();
            let line = loop {
                match lines.waiting.pop_front() {
                    Some(line) => break line,
                    None => {
                        let woken = self.changed.wait(lines);
                        lines = woken.unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            lines.writing = true;
            drop(lines);
            // A closed stdout or stderr ends nothing.
            let _ = stream
                .write_all(line.as_bytes())
                .and_then(|()| stream.flush());
        }
    }
}

impl Voice {
    /// On stdout in JSON, or on stderr.
    pub(crate) fn new(json: bool) -> Voice {
        let copy = match json {
            true => io::stdout().as_fd().try_clone_to_owned(),
            false => io::stderr().as_fd().try_clone_to_owned(),
        };
        match copy {
            // Not through the library's own, whose lock others would wait for.
            Ok(copy) => Voice::on(json, File::from(copy)),
            Err(_) => Voice::on(json, io::sink()),
        }
    }

    fn on(json: bool, stream: impl Write + Send + 'static) -> Voice {
        Voice {
            json,
            stream: Mutex::new(Some(Box::new(stream))),
            queue: Arc::default(),
        }
    }

    /// Whether programs are spoken to.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Tells the user, or counts what nobody reads.
    pub(crate) fn say(&self, state: &State) {
        let mut text = match self.json {
            true => state.to_json(),
            false => state.text(),
        };
        if text.is_empty() {
            return;
        }
        text.push('\n');
        self.start();
        let mut lines = self.queue.lines();
        if lines.waiting.len() >= ROOM {
            lines.left_out += 1;
            return;
        }
        let is_next = lines.is_out();
        let left_out = std::mem::take(&mut lines.left_out);
        lines.waiting.push_back(text);
        self.queue.changed.notify_all();
        drop(lines);
        if is_next {
            self.queue.flush(PATIENCE);
        }
        if left_out > 0 {
            tracing::warn!(left_out, "nobody read what was said");
        }
    }

    fn start(&self) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = stream.take() {
            let queue = Arc::clone(&self.queue);
            thread::spawn(move || queue.write_to(stream));
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.queue.flush(LAST_PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};

    use super::*;

    fn said(times: usize) -> (Voice, io::PipeReader) {
        let (reader, writer) = io::pipe().unwrap();
        let voice = Voice::on(true, writer);
        for _ in 0..times {
            voice.say(&State::Roamed);
        }
        (voice, reader)
    }

    #[test]
    fn what_is_said_is_out_when_the_speaker_goes_on() {
        let (voice, reader) = said(2);
        assert!(voice.queue.lines().is_out());
        let lines: Vec<_> = BufReader::new(reader)
            .lines()
            .take(2)
            .map(Result::unwrap)
            .collect();
        assert_eq!(lines, [r#"{"state":"roamed"}"#; 2]);
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up_and_misses_what_has_no_room() {
        // A pipe holds 64 KiB.
        let (voice, mut reader) = said(10_000);
        let left_out = voice.queue.lines().left_out;
        assert!((1..10_000).contains(&left_out), "{left_out}");
        let reading = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = reader.by_ref().take(60_000).read_to_end(&mut text);
            reader
        });
        let reader = reading.join().unwrap();
        voice.queue.flush(Duration::from_secs(10));
        assert!(voice.queue.lines().is_out());
        voice.say(&State::Roamed);
        assert_eq!(voice.queue.lines().left_out, 0);
        drop(reader);
    }
}
