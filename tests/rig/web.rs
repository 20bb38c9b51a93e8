//! A small HTTP server inside a host.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{host::Host, process::Invocation};

/// Serves in a host until it is dropped:
///
/// * `/` – the greeting;
/// * `/who` – the address of whoever asks;
/// * `/slow/BYTES/MILLISECONDS` – [`pattern`] of that many bytes, in small pieces over that time.
#[derive(Debug)]
pub struct Web {
    stop: Arc<AtomicBool>,
    listener: Option<thread::JoinHandle<()>>,
}

impl Web {
    /// Starts to serve on this address of the host.
    ///
    /// # Panics
    /// If the address cannot be had.
    #[track_caller]
    pub fn serve(host: &Host, address: SocketAddr, greeting: &str) -> Web {
        let listener = match host.within(|| TcpListener::bind(address)) {
            Ok(listener) => listener,
            Err(error) => panic!("cannot serve on {address} of {}: {error}", host.name()),
        };
        listener
            .set_nonblocking(true)
            .expect("a non-blocking socket");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let greeting: Arc<str> = greeting.into();
        let listener = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, from)) => {
                        let (greeting, stopped) = (Arc::clone(&greeting), Arc::clone(&stopped));
                        // Whoever hangs up early has what they wanted.
                        thread::spawn(move || answer(stream, from, &greeting, &stopped));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Web {
            stop,
            listener: Some(listener),
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// What a download consists of: each byte depends on its place, so that nothing can be missing,
/// doubled or exchanged unnoticed.
pub fn pattern(len: usize) -> Vec<u8> {
    let byte = |at: usize| (at ^ (at >> 8) ^ (at >> 16)).wrapping_mul(0x9D) as u8;
    (0..len).map(byte).collect()
}

fn answer(
    mut stream: TcpStream,
    from: SocketAddr,
    greeting: &str,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split_whitespace().nth(1).unwrap_or("/");
    let (status, body, time) = match path.split('/').collect::<Vec<_>>()[..] {
        ["", ""] => ("200 OK", format!("{greeting}\n").into_bytes(), 0),
        ["", "who"] => ("200 OK", format!("{}\n", from.ip()).into_bytes(), 0),
        ["", "slow", bytes, milliseconds] => {
            let len = bytes.parse().unwrap_or(0);
            ("200 OK", pattern(len), milliseconds.parse().unwrap_or(0))
        }
        _ => ("404 Not Found", b"no such page\n".to_vec(), 0),
    };
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    )?;
    const PIECES: u64 = 100;
    let pace = Duration::from_millis(time / PIECES);
    let piece = match time {
        0 => len.max(1),
        _ => len.div_ceil(PIECES as usize).max(1),
    };
    for piece in body.chunks(piece) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        stream.write_all(piece)?;
        thread::sleep(pace);
    }
    Ok(())
}

impl Host {
    /// `curl`, silent but for errors, with a time limit.
    pub fn curl(&self, url: &str, within: Duration) -> Invocation {
        self.run("curl")
            .args(["-sSf", "--max-time", &within.as_secs_f32().to_string()])
            .arg(url)
    }

    /// Fetches a page, if the server can be reached within 5 s; without the line's end.
    #[track_caller]
    pub fn fetch(&self, url: &str) -> Option<String> {
        let fetched = self.curl(url, Duration::from_secs(5)).finish();
        let page = fetched.stdout.trim_end().to_owned();
        fetched.status.success().then_some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn pages_come_at_once_and_downloads_trickle() {
        let world = World::new();
        let host = world.host("a");
        let web = Web::serve(&host, "127.0.0.1:80".parse().unwrap(), "hello");
        assert_eq!(host.fetch("http://127.0.0.1/").unwrap(), "hello");
        assert_eq!(host.fetch("http://127.0.0.1/who").unwrap(), "127.0.0.1");
        assert_eq!(host.fetch("http://127.0.0.1/nothing"), None);
        let start = crate::wait::now();
        let slow = host
            .curl("http://127.0.0.1/slow/10000/500", Duration::from_secs(5))
            .spawn();
        slow.wait(crate::wait::SOON);
        assert_eq!(slow.stdout().bytes(), pattern(10_000));
        assert!(crate::wait::now().since(start) > Duration::from_millis(400));
        drop(web);
        assert_eq!(host.fetch("http://127.0.0.1/"), None);
    }
}
