//! Running out of file descriptors. In a process of its own, for the limit is the process's.
#![allow(clippy::unwrap_used, reason = "a helper of tests fails the test")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use roadstead_egress::{Egress, Policy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// The log, and a signal for every line of it.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<String>, Notify)>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().push_str(&String::from_utf8_lossy(line));
        self.0.1.notify_one();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn failures(&self) -> usize {
        self.0.0.lock().unwrap().matches("cannot be accepted").count()
    }
}

/// Gets the page for an origin-form request.
async fn talk(mut stream: TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    answer
}

#[tokio::test]
async fn a_listener_survives_without_file_descriptors() {
    let log = Log::default();
    let writer = log.clone();
    let _guard = tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_writer(move || writer.clone()).finish(),
    );
    let listener = Egress::new(Policy::default()).listen().await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    let before = getrlimit(Resource::Nofile);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 8), maximum: before.maximum }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    let began = Instant::now();
    // The system connects it; nobody can accept it.
    let waiting = client.connect(listener.address()).await.unwrap();
    let failed = async {
        while log.failures() < 3 {
            log.0.1.notified().await;
        }
    };
    timeout(DEADLINE, failed).await.expect("failures in time");
    // With a pause between them.
    assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
    drop(taken);
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(talk(waiting).await.starts_with("HTTP/1.1 400"));
    assert!(talk(TcpStream::connect(listener.address()).await.unwrap()).await.starts_with("HTTP/1.1 400"));
}
