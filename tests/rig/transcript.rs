//! What a process has said so far, readable while it goes on talking.

use std::{
    io::{self, Read},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use crate::{log_lines::LogLines, wait};

/// What came out of a pipe or a terminal, shared with the thread that reads it: the words that a
/// person would have seen, and with [`Transcript::whole`] the log at its highest verbosity too.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Text>>);

#[derive(Debug, Default)]
struct Text {
    whole: Vec<u8>,
    log_lines: LogLines,
    /// Without the log lines that the rig asked for.
    bytes: Vec<u8>,
    /// Up to here [`Transcript::expect`] has looked.
    seen: usize,
    /// What stands before the lines that are echoed to our stdout, if they are.
    echo: Option<String>,
    /// Up to here they have been.
    shown: usize,
    followed: bool,
    closed: bool,
}

impl Text {
    fn hear(&mut self, said: &[u8]) {
        self.whole.extend_from_slice(said);
        self.log_lines.feed(said, &mut self.bytes);
    }

    fn hear_end(&mut self) {
        self.log_lines.finish(&mut self.bytes);
    }

    fn show_lines(&mut self) {
        while let Some(end) = memchr::memchr(b'\n', &self.bytes[self.shown..]) {
            self.show_to(self.shown + end + 1);
        }
    }

    fn show_rest(&mut self) {
        if self.shown < self.bytes.len() {
            self.show_to(self.bytes.len());
        }
    }

    fn show_to(&mut self, end: usize) {
        let line = String::from_utf8_lossy(&self.bytes[self.shown..end]);
        let line = line.trim_end();
        // Of a line that was shown before its end, the end is nothing to look at.
        let rest = self.shown > 0 && self.bytes[self.shown - 1] != b'\n';
        if let (Some(prefix), false) = (&self.echo, rest && line.is_empty()) {
            println!("{prefix}{line}");
        }
        self.shown = end;
    }
}

impl Transcript {
    /// Reads `source` to its end on a thread of its own. With `echo`, whole lines also go to our
    /// stdout behind that prefix.
    pub(crate) fn follow(
        source: impl Read + Send + 'static,
        echo: Option<String>,
    ) -> (Transcript, thread::JoinHandle<()>) {
        let transcript = Transcript::default();
        *transcript.text() = Text {
            echo,
            followed: true,
            ..Text::default()
        };
        let writer = transcript.clone();
        let reader = thread::spawn(move || writer.fill(source));
        (transcript, reader)
    }

    fn fill(&self, mut source: impl Read) {
        let mut chunk = [0; 4096];
        loop {
            let len = match source.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A terminal whose last user left answers EIO: as good as an end.
                Ok(0) | Err(_) => break,
                Ok(len) => len,
            };
            let mut text = self.text();
            text.hear(&chunk[..len]);
            text.show_lines();
        }
        let mut text = self.text();
        text.hear_end();
        text.show_rest();
        text.closed = true;
    }

    /// Echoes the line that has not ended yet, a prompt for example; before something else is shown.
    pub fn show_prompt(&self) {
        self.text().show_rest();
    }

    fn text(&self) -> MutexGuard<'_, Text> {
        self.0.lock().expect("invariant: no holder panics")
    }

    /// Everything said so far.
    pub fn all(&self) -> String {
        String::from_utf8_lossy(&self.text().bytes).into_owned()
    }

    /// Everything said so far, as it came.
    pub fn bytes(&self) -> Vec<u8> {
        self.text().bytes.clone()
    }

    /// Everything said so far, as it came, with all log lines.
    pub fn whole(&self) -> Vec<u8> {
        self.text().whole.clone()
    }

    /// Whether nothing more can come.
    pub fn is_closed(&self) -> bool {
        let text = self.text();
        text.closed || !text.followed
    }

    /// Waits for `pattern` in what was said since the last call that found something, and moves
    /// on behind it. Returns what stood before it.
    ///
    /// # Panics
    /// If it does not come `within` the time.
    #[track_caller]
    pub fn expect_within(&self, pattern: &str, within: Duration) -> String {
        if let Some(before) = self.look_for(pattern, within) {
            return before;
        }
        let since = self.unseen();
        panic!("waited {within:?} in vain for {pattern:?}; said since the last match:\n{since}");
    }

    /// [`Transcript::expect_within`] a time long enough for anything that is done at once.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn expect(&self, pattern: &str) -> String {
        self.expect_within(pattern, wait::SOON)
    }

    /// Like [`Transcript::expect_within`], with `None` when it does not come.
    pub fn look_for(&self, pattern: &str, within: Duration) -> Option<String> {
        wait::poll(within, || {
            let mut text = self.text();
            let unseen = &text.bytes[text.seen..];
            let at = memchr::memmem::find(unseen, pattern.as_bytes())?;
            let before = String::from_utf8_lossy(&unseen[..at]).into_owned();
            text.seen += at + pattern.len();
            Some(before)
        })
    }

    /// What was said since the last match.
    pub fn unseen(&self) -> String {
        let text = self.text();
        String::from_utf8_lossy(&text.bytes[text.seen..]).into_owned()
    }

    /// The last `lines` lines, indented and cut, for a failure report.
    pub(crate) fn tail(&self, lines: usize) -> String {
        const WIDTH: usize = 300;
        let all = self.whole();
        let all = String::from_utf8_lossy(&all);
        let all: Vec<&str> = all.lines().collect();
        let from = all.len().saturating_sub(lines);
        let mut tail = String::new();
        for line in &all[from..] {
            let line = line.trim_end().chars().take(WIDTH);
            let printable = |c: char| if c.is_control() { '·' } else { c };
            tail.push_str("      ");
            tail.extend(line.map(printable));
            tail.push('\n');
        }
        tail
    }
}
