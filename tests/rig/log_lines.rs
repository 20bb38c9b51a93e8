//! Takes the log lines out of what a program says, as it says it.

/// How a log line begins: the moment, as `tracing-subscriber` prints it, a blank and the level.
const STAMP: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";

/// The lines that a program prints only because the rig asks for all of them: a test reads what a
/// person would see.
const HIDDEN: [&str; 4] = [
    "TRACE ",
    "DEBUG ",
    // The client begins with warnings.
    " INFO tokenvpn::",
    " INFO tokenvpn_common::",
];

/// Separates words from log lines, which may begin behind a prompt that awaits an answer.
#[derive(Debug, Default)]
pub(crate) struct LogLines {
    /// What may yet turn out to be a log line.
    pending: Vec<u8>,
}

impl LogLines {
    /// Takes what was said next; appends the words in it to `words`.
    pub(crate) fn feed(&mut self, said: &[u8], words: &mut Vec<u8>) {
        self.pending.extend_from_slice(said);
        loop {
            let tail = |at: &usize| may_be_stamp(&self.pending[*at..]);
            let Some(at) = (0..self.pending.len()).find(tail) else {
                words.append(&mut self.pending);
                return;
            };
            words.extend(self.pending.drain(..at));
            let Some(end) = memchr::memchr(b'\n', &self.pending) else {
                return;
            };
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            if !is_hidden(&line) {
                words.extend(line);
            }
        }
    }

    /// Nothing more will be said.
    pub(crate) fn finish(&mut self, words: &mut Vec<u8>) {
        words.append(&mut self.pending);
    }
}

/// Whether this begins like a stamp, as far as it goes.
fn may_be_stamp(text: &[u8]) -> bool {
    text.iter().zip(STAMP).all(|(byte, model)| match model {
        b'0' => byte.is_ascii_digit(),
        _ => byte == model,
    })
}

fn is_hidden(line: &[u8]) -> bool {
    let behind = line.get(STAMP.len() + 1..).unwrap_or_default();
    HIDDEN
        .iter()
        .any(|hidden| behind.starts_with(hidden.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
        2026-11-23T17:34:44.123456Z DEBUG tokenvpn::worker: hidden\n\
        PIN for 0006:12345678, 3 tries left: 2026-11-23T17:34:44.123457Z TRACE x: hidden\r\n\
        2026-11-23T17:34:44.123458Z  WARN tokenvpn: odd\n\
        2026-11-23T17:34:44.123459Z  INFO tokenvpn::worker: hidden\n\
        2026-11-23T17:34:44.123460Z  INFO tokenvpn_gateway::worker: connected\n\
        It expires on 2026-11-29";

    const WORDS: &str = "\
        PIN for 0006:12345678, 3 tries left: \
        2026-11-23T17:34:44.123458Z  WARN tokenvpn: odd\n\
        2026-11-23T17:34:44.123460Z  INFO tokenvpn_gateway::worker: connected\n\
        It expires on 2026-11-29";

    #[test]
    fn what_a_person_would_not_see_is_taken_out_in_whatever_pieces_it_comes() {
        for size in 1..SAID.len() {
            let (mut lines, mut words) = (LogLines::default(), Vec::new());
            for piece in SAID.as_bytes().chunks(size) {
                lines.feed(piece, &mut words);
            }
            lines.finish(&mut words);
            assert_eq!(String::from_utf8(words).unwrap(), WORDS, "pieces of {size}");
        }
    }

    #[test]
    fn a_prompt_is_not_held_back() {
        let (mut lines, mut words) = (LogLines::default(), Vec::new());
        lines.feed(b"PIN: ", &mut words);
        assert_eq!(words, b"PIN: ");
    }
}
