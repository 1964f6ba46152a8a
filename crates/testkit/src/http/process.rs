//! Starts and ends a program.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use hardpoint_core::test::json_line;
use tokio::{sync::watch, time::timeout};

/// How long to wait for the remaining output of a process that has ended.
const PIPE_PATIENCE: Duration = Duration::from_secs(1);

/// A process whose output is read line by line. Dropping it kills it.
///
/// ```
/// use hardpoint_testkit::http::Process;
/// use std::{process::Command, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let script = r#"echo '{"message":"listening"}'; exec sleep 60"#;
/// let process = Process::spawn(Command::new("sh").args(["-c", script]));
/// let line = process.line(Duration::from_secs(10), |line| line.contains("listening")).await;
/// assert_eq!(line, r#"{"message":"listening"}"#);
///
/// process.signal("TERM");
/// let status = process.wait(Duration::from_secs(10)).await;
/// assert!(!status.success());
/// # }
/// ```
#[derive(Debug)]
pub struct Process {
    pid: u32,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
    status: watch::Receiver<Option<ExitStatus>>,
    json: bool,
}

impl Process {
    /// Starts `command` with an empty standard input and captures its output.
    pub fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} did not start: {error}", command.get_program().display()),
        };
        let pid = child.id();
        let (stdout, stderr) = (lines_of(child.stdout.take()), lines_of(child.stderr.take()));
        let (sender, status) = watch::channel(None);
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                sender.send_replace(Some(status));
            }
        });
        Self { pid, stdout, stderr, status, json: false }
    }

    /// Asserts, when this value is dropped, that each line of standard output is one JSON object with
    /// unique names.
    #[must_use]
    pub const fn expect_json(mut self) -> Self {
        self.json = true;
        self
    }

    /// The process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the first line of standard output, past or future, that `wanted` accepts.
    pub async fn line(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let mut stdout = self.stdout.clone();
        let arrived =
            timeout(within, stdout.wait_for(|lines| lines.iter().any(|line| wanted(line)))).await;
        let line = match arrived {
            Ok(Ok(lines)) => lines.iter().find(|line| wanted(line)).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        line.unwrap_or_else(|| panic!("the awaited line did not arrive; {}", self.output()))
    }

    /// Returns all lines of standard output so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.borrow().clone()
    }

    /// Returns all lines of standard error so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.borrow().clone()
    }

    /// Sends a signal by its name for `kill`: `TERM`, `INT`, `KILL`. Does nothing if the process
    /// has ended.
    pub fn signal(&self, name: &str) {
        if self.status.borrow().is_some() {
            return;
        }
        // The shell has `kill` built in, even if the program is not installed.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -s {name} {}", self.pid)])
            .stderr(Stdio::null())
            .status();
        // A failure of `kill` is fine, since the process may have ended; a missing shell is not.
        assert!(sent.is_ok(), "cannot run `sh`: {sent:?}");
    }

    /// Waits until the process ends, and then at most one second for the rest of its output: a
    /// child process that it left behind may keep the pipes open.
    pub async fn wait(&self, within: Duration) -> ExitStatus {
        let mut status = self.status.clone();
        let ended = timeout(within, status.wait_for(Option::is_some)).await;
        let Ok(Ok(Some(status))) = ended.map(|status| status.map(|status| *status)) else {
            panic!("the process did not end within {within:?}; {}", self.output())
        };
        let (mut stdout, mut stderr) = (self.stdout.clone(), self.stderr.clone());
        let _all_read = timeout(PIPE_PATIENCE, async {
            while stdout.changed().await.is_ok() {}
            while stderr.changed().await.is_ok() {}
        })
        .await;
        status
    }

    /// Returns the resident memory in bytes, or `None` without `/proc` or if the process has ended.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        self.status_bytes("VmRSS:")
    }

    /// Returns the peak resident memory in bytes, or `None` as for [`resident`](Self::resident).
    #[must_use]
    pub fn peak_resident(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    }

    fn output(&self) -> String {
        format!(
            "status {:?}, stdout:\n{}\nstderr:\n{}",
            *self.status.borrow(),
            self.stdout().join("\n"),
            self.stderr().join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.borrow().is_none() {
            self.signal("KILL");
        }
        // A second panic would abort the test binary.
        if self.json && !std::thread::panicking() {
            let lines = self.stdout();
            // The process may have been killed while it wrote the last line.
            let whole = lines.split_last().map_or(&[][..], |(_, lines)| lines);
            for line in whole {
                if let Err(error) = json_line(line) {
                    panic!("{error}: {line}");
                }
            }
        }
    }
}

/// The lines of a stream as they arrive. The channel closes at the end of the stream.
fn lines_of(stream: Option<impl Read + Send + 'static>) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    std::thread::spawn(move || {
        let Some(stream) = stream else { return };
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            sender.send_modify(|lines| lines.push(text));
            line.clear();
        }
    });
    receiver
}
